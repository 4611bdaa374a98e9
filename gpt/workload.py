"""What a model is asked to do, as far as memory and time depend on it: batch, length, number format, optimizer.

Also the letters that the formulas of gpt/activations.py, gpt/budget.py and gpt/flops.py are written in.
"""

from dataclasses import dataclass
from typing import NamedTuple

from .config import GPTConfig
from .formula import Term, symbol

# Bytes of one weight. float16 and bfloat16 mean the whole model in that format, as after model.to(torch.bfloat16).
DTYPES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
MODES = ("inference", "training")
# adamw_mixed: 16-bit weights beside a float32 master copy, float32 gradients and moments.
OPTIMIZERS = ("sgd", "sgd_momentum", "adam", "adamw", "adamw_mixed")
# none keeps every activation; selective computes the attention weights again; full keeps each block's input only.
RECOMPUTE = ("none", "selective", "full")

SYMBOLS = {
    "V": "vocab_size",
    "T": "context_length",
    "d": "emb_dim",
    "L": "n_layers",
    "h": "n_heads",
    "b": "batch_size",
    "s": "seq_len, tokens per sequence",
    "N": "parameters",
    "B": "bytes of one weight",
    "A": "bytes of one activation",
    "P": "elements of the largest weight matrix",
}

# Of sequences in a batch and tokens in a sequence.
LARGEST_COUNT = 1_000_000


@dataclass(frozen=True)
class Workload:
    """One forward pass, or one training step. Raises ValueError when there is no such thing."""

    dtype: str = "float32"
    batch_size: int = 1
    seq_len: int = 1024
    mode: str = "inference"
    optimizer: str = "adamw"
    recompute: str = "none"

    def __post_init__(self) -> None:
        _check_choice("dtype", self.dtype, tuple(DTYPES))
        _check_choice("mode", self.mode, MODES)
        _check_choice("optimizer", self.optimizer, OPTIMIZERS)
        _check_choice("recompute", self.recompute, RECOMPUTE)
        check_count("batch_size", self.batch_size)
        check_count("seq_len", self.seq_len)
        if self.mode == "training" and self.dtype == "int8":
            raise ValueError(
                "int8 weights cannot be trained, their steps are too coarse: choose float32, float16 or "
                "bfloat16, or inference."
            )
        if self.mode == "training" and self.optimizer == "adamw_mixed" and self.dtype == "float32":
            raise ValueError(
                "adamw_mixed keeps float32 master weights beside 16-bit ones, but the dtype is float32: "
                "choose float16 or bfloat16, or plain adamw."
            )

    def check_fits(self, config: GPTConfig) -> None:
        """Raise ValueError when the sequence is longer than the model's context."""
        if self.seq_len > config.context_length:
            raise ValueError(
                f"seq_len is {self.seq_len:,} and context_length is {config.context_length:,}: the model has no "
                f"positions beyond its context, so shorten the sequence or lengthen the context."
            )


class ModelSymbols(NamedTuple):
    """The sizes of a model as letters: V, T, d, L, h."""

    V: Term
    T: Term
    d: Term
    L: Term
    h: Term


class WorkSymbols(NamedTuple):
    """The sizes of a workload as letters: b, s, B, A."""

    b: Term
    s: Term
    B: Term
    A: Term


def model_symbols(config: GPTConfig) -> ModelSymbols:
    """The letters of one configuration."""
    return ModelSymbols(
        V=symbol("V", config.vocab_size),
        T=symbol("T", config.context_length),
        d=symbol("d", config.emb_dim),
        L=symbol("L", config.n_layers),
        h=symbol("h", config.n_heads),
    )


def work_symbols(workload: Workload) -> WorkSymbols:
    """The letters of one workload. Beside int8 weights, activations stay float32."""
    weight = DTYPES[workload.dtype]
    return WorkSymbols(
        b=symbol("b", workload.batch_size),
        s=symbol("s", workload.seq_len),
        B=symbol("B", weight),
        A=symbol("A", DTYPES["float32"] if workload.dtype == "int8" else weight),
    )


def check_count(name: str, value: object) -> None:
    """Raise ValueError unless value is a whole number from 1 to 1,000,000."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is {value!r}: it has to be a whole number.")
    if not 1 <= value <= LARGEST_COUNT:
        raise ValueError(f"{name} is {value:,}: it has to lie between 1 and {LARGEST_COUNT:,}.")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"There is no {name} called {value!r}: choose one of {', '.join(choices)}.")

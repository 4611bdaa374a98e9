"""What memory and time depend on beside the model: batch, length, number format, optimizer.

Also the letters that the formulas of activations.py, budget.py and flops.py are written in.
"""

from dataclasses import dataclass
from typing import NamedTuple

from ..config import GPTConfig, check_count
from .formula import Term, symbol

# Bytes of one weight. float16 and bfloat16 mean the whole model in that format, as after model.to(torch.bfloat16).
DTYPES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
MODES = ("inference", "training")
# adamw_mixed: 16-bit weights and a float32 master copy, with gradients and moments in float32.
OPTIMIZERS = ("sgd", "sgd_momentum", "adam", "adamw", "adamw_mixed")
# none keeps every activation. selective computes the attention weights again. full keeps only the input of each block.
RECOMPUTE = ("none", "selective", "full")

SYMBOLS = {
    "V": "vocab_size",
    "T": "context_length",
    "d": "emb_dim",
    "L": "n_layers",
    "h": "n_heads",
    "f": "width inside the feed-forward network, 4 · d unless told",
    "b": "batch_size",
    "s": "seq_len, tokens per sequence",
    "N": "parameters",
    "B": "bytes of one weight",
    "A": "bytes of one activation",
    "P": "elements of the largest weight matrix",
}


@dataclass(frozen=True)
class Workload:
    """One forward pass, or one training step. Raises ValueError when the values do not go together."""

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
        if self.mode == "inference":
            self._check_not_ignored()
        if self.mode == "training" and self.dtype == "int8":
            raise ValueError(
                "int8 weights cannot be trained, they are too coarse: choose float32, float16, bfloat16 or inference."
            )
        if self.mode == "training" and self.optimizer == "adamw_mixed" and self.dtype == "float32":
            raise ValueError(
                "adamw_mixed keeps float32 master weights beside 16-bit ones, but the dtype is float32: "
                "choose float16 or bfloat16, or plain adamw."
            )

    def _check_not_ignored(self) -> None:
        if self.optimizer != Workload.optimizer:
            raise ValueError(
                f"optimizer is {self.optimizer!r}, but inference has no optimizer: leave it out, or choose training."
            )
        if self.recompute != Workload.recompute:
            raise ValueError(
                f"recompute is {self.recompute!r}, but inference has no backward pass to recompute for: "
                f"leave it out, or choose training."
            )

    def check_fits(self, config: GPTConfig) -> None:
        """Raise ValueError when the sequence is longer than the model's context."""
        if self.seq_len > config.context_length:
            raise ValueError(
                f"seq_len is {self.seq_len:,} and context_length is {config.context_length:,}: the model has no "
                f"positions beyond its context, so shorten the sequence or lengthen the context."
            )


class ModelSymbols(NamedTuple):
    """The sizes of a model as letters: V, T, d, L, h, f."""

    V: Term
    T: Term
    d: Term
    L: Term
    h: Term
    f: Term


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
        f=symbol("f", config.inner_width),
    )


def work_symbols(workload: Workload) -> WorkSymbols:
    """The letters of one workload. With int8 weights, activations stay float32."""
    weight = DTYPES[workload.dtype]
    return WorkSymbols(
        b=symbol("b", workload.batch_size),
        s=symbol("s", workload.seq_len),
        B=symbol("B", weight),
        A=symbol("A", DTYPES["float32"] if workload.dtype == "int8" else weight),
    )


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"There is no {name} called {value!r}: choose one of {', '.join(choices)}.")

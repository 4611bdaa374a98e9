"""How many parameters a GPT model has, and how many bytes it takes to run or to train it.

Every figure comes with its formula, its numbers and its source, all from one expression (see formula.py).
"""

from dataclasses import dataclass, replace

from ..config import LARGEST_COUNT, GPTConfig
from .activations import (
    PUBLISHED,
    THIS_MODEL,
    block_activations,
    block_in_backward,
    kept_activations,
    published_activations,
    working_set,
)
from .formula import Formula, Term, constant, largest, symbol, total
from .workload import ModelSymbols, Workload, WorkSymbols, model_symbols, work_symbols

CHAPTER = "chapter 4, section 4.6"
# What one signed 64-bit integer holds: past it, JSON readers disagree about a number.
_LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class ParameterCount:
    """Parameters of a model: `by_component` sums to `total`, `per_block` holds one transformer block."""

    total: int
    by_component: dict[str, int]
    per_block: dict[str, int]
    formulas: tuple[Formula, ...]


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes. The first six sum to `total`. `peak` is the most that is held at one moment.

    `alternatives` holds published formulas for some of the figures.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    kv_cache: int
    logits: int
    total: int
    peak: int
    formulas: tuple[Formula, ...]
    alternatives: tuple[Formula, ...]


def count_parameters(config: GPTConfig) -> ParameterCount:
    """Parameters by component. A tied output head has none of its own."""
    V, T, d, L, _, f = model_symbols(config)
    block = {
        # W_qkv is 3 d·d and out_proj d·d with a bias; qkv_bias adds 3 d.
        "attention": 4 * d**2 + (4 * d if config.qkv_bias else d),
        "feed_forward": 2 * d * f + f + d,
        "norms": 4 * d,
    }
    components = {
        "token_embedding": V * d,
        "position_embedding": T * d,
        "attention": L * block["attention"],
        "feed_forward": L * block["feed_forward"],
        "norms": L * block["norms"] + 2 * d,
        "output_head": constant(0) if config.tied_head else V * d,
    }
    rows = [term.formula(name, "parameters", CHAPTER) for name, term in components.items()]
    rows.append(total(*block.values()).formula("block", "parameters", CHAPTER))
    rows.append(total(*components.values()).formula("total", "parameters", CHAPTER))
    return ParameterCount(
        total=check_countable(rows[-1].value, "parameters"),
        by_component={name: term.value for name, term in components.items()},
        per_block={name: term.value for name, term in block.items()},
        formulas=tuple(rows),
    )


def estimate_memory(
    config: GPTConfig,
    dtype: str = "float32",
    batch_size: int = 1,
    seq_len: int = 1024,
    mode: str = "inference",
    optimizer: str = "adamw",
    recompute: str = "none",
) -> MemoryEstimate:
    """Bytes of one forward pass with a KV cache, or of one training step. Raises ValueError for an impossible one."""
    return memory_of(config, Workload(dtype, batch_size, seq_len, mode, optimizer, recompute))


def memory_of(config: GPTConfig, workload: Workload) -> MemoryEstimate:
    """`estimate_memory` for a Workload."""
    workload.check_fits(config)
    m, w = model_symbols(config), work_symbols(workload)
    N = symbol("N", count_parameters(config).total)
    inference = workload.mode == "inference"
    parts = _inference_parts(m, w, N) if inference else _training_parts(config, workload, m, w, N)
    named = {name: symbol(name, term.value) for name, (term, _) in parts.items()}
    everything = total(*named.values())
    peak = _inference_peak(m, w, named) if inference else _training_peak(config, workload, m, w, named)
    rows = [term.formula(name, "bytes", source) for name, (term, source) in parts.items()]
    rows.append(everything.formula("total", "bytes", "the sum of the above, which no moment holds quite like that"))
    # Where a block takes more than the head, somewhat less is held.
    bound = "; at most, where blocks are computed again" if workload.recompute == "full" else ""
    rows.append(peak.formula("peak", "bytes", f"gpt/model.py, the most held at once in one pass{bound}"))
    check_countable(max(row.value for row in rows), "bytes")
    return MemoryEstimate(
        **{name: term.value for name, (term, _) in parts.items()},
        total=everything.value,
        peak=peak.value,
        formulas=tuple(rows),
        alternatives=_alternatives(workload, m, w),
    )


def _inference_parts(m: ModelSymbols, w: WorkSymbols, N: Term) -> dict[str, tuple[Term, str]]:
    return {
        "weights": (N * w.B, CHAPTER),
        "gradients": (constant(0), "inference has none"),
        "optimizer": (constant(0), "inference has none"),
        "activations": (working_set(m, w), "gpt/model.py, the most held at once in one block"),
        "kv_cache": (2 * m.L * w.b * w.s * m.d * w.A, "gpt/cache.py: a key and a value per token and layer"),
        "logits": (w.b * w.s * m.V * w.A, "gpt/model.py: one score per token of the vocabulary"),
    }


def _training_parts(
    config: GPTConfig, workload: Workload, m: ModelSymbols, w: WorkSymbols, N: Term
) -> dict[str, tuple[Term, str]]:
    mixed = workload.optimizer == "adamw_mixed"
    return {
        "weights": (N * w.B, CHAPTER),
        "gradients": (N * 4, "float32 gradients") if mixed else (N * w.B, "one number per weight"),
        "optimizer": _optimizer_state(workload.optimizer, w, N),
        "activations": (kept_activations(config, workload, m, w), THIS_MODEL),
        "kv_cache": (constant(0), "training reads each sequence once"),
        # At most, the loss holds the log-probabilities, their gradient and that of the logits.
        "logits": (constant(3) * 4 * w.b * w.s * m.V, "float32 cross-entropy in eager PyTorch"),
    }


def _optimizer_state(optimizer: str, w: WorkSymbols, N: Term) -> tuple[Term, str]:
    if optimizer == "sgd":
        return constant(0), "torch.optim.SGD keeps nothing"
    if optimizer == "sgd_momentum":
        return N * w.B, "torch.optim.SGD: one momentum per weight"
    if optimizer == "adamw_mixed":
        return N * (constant(4) + 4 + 4), "float32 master weight, first and second moment"
    return 2 * N * w.B, "torch.optim.Adam and AdamW: a first and a second moment per weight"


def _inference_peak(m: ModelSymbols, w: WorkSymbols, part: dict[str, Term]) -> Term:
    """The working set of the blocks is freed before the head computes the logits."""
    return part["weights"] + part["kv_cache"] + largest(part["activations"], part["logits"] + w.b * w.s * m.d * w.A)


def _training_peak(
    config: GPTConfig, workload: Workload, m: ModelSymbols, w: WorkSymbols, part: dict[str, Term]
) -> Term:
    """The most at once in a backward pass: when it begins, in its last block, or at its end.

    Gradients are made while activations are freed.
    """
    G = 4 if workload.optimizer == "adamw_mixed" else w.B  # bytes of a gradient
    block = symbol("one block", block_in_backward(config, workload, m, w).value)
    kept = symbol("kept of it", block_activations(config, workload, m, w).value)
    embeddings = m.T * m.d if config.tied_head else m.T * m.d + m.V * m.d  # their gradients come last
    start = part["activations"] + largest(part["logits"], block - kept + m.V * m.d * G)
    last_block = part["gradients"] - embeddings * G + block
    end = part["gradients"] + _scratch(config, workload, m, w)
    return part["weights"] + part["optimizer"] + largest(start, last_block, end)


def end_of_step(config: GPTConfig, workload: Workload, memory: MemoryEstimate) -> int:
    """Bytes of tensors while a training step updates the last weights: all activations are free by then.

    memory is the workload's.
    """
    scratch = _scratch(config, workload, model_symbols(config), work_symbols(workload))
    return memory.weights + memory.optimizer + memory.gradients + scratch.value


def _scratch(config: GPTConfig, workload: Workload, m: ModelSymbols, w: WorkSymbols) -> Term:
    """Arrays beside the gradients while the last gradients are computed and the weights are updated."""
    if workload.optimizer.startswith("adam"):
        # Adam updates one matrix after another and needs two arrays of its size.
        P = symbol("P", max(m.V.value, m.T.value, m.f.value, 3 * m.d.value) * m.d.value)
        return 2 * P * (constant(4) if workload.optimizer == "adamw_mixed" else w.B)
    # A tied matrix has a gradient from each of its uses, beside their sum.
    return 2 * m.V * m.d * w.B if config.tied_head else constant(0)


def _alternatives(workload: Workload, m: ModelSymbols, w: WorkSymbols) -> tuple[Formula, ...]:
    if workload.mode == "training":
        return (
            published_activations(workload, m, w).formula("activations", "bytes", PUBLISHED),
            (constant(2) * 4 * w.b * w.s * m.V).formula("logits", "bytes", "logits and their gradient in float32"),
        )
    return ()


def memory_growth(config: GPTConfig, workload: Workload, over: str) -> list[tuple[int, MemoryEstimate]]:
    """Memory at up to 16 values of `over`: "seq_len" up to the context, "batch_size" up to four times the present one.

    The present value is one of them. Raises ValueError for any other name.
    """
    if over == "seq_len":
        end = config.context_length
    elif over == "batch_size":
        end = min(LARGEST_COUNT, max(8, 4 * workload.batch_size))
    else:
        raise ValueError(f"Memory grows over seq_len or batch_size, not over {over!r}.")
    present = getattr(workload, over)
    values = sorted({present, *(max(1, round(end * i / 15)) for i in range(1, 16))})
    return [(value, memory_of(config, replace(workload, **{over: value}))) for value in values]


def check_countable(value: int, unit: str) -> int:
    """The value. Raises ValueError when it does not fit a 64-bit integer."""
    if value > _LARGEST_INTEGER:
        raise ValueError(f"This comes to {value:.1e} {unit}, more than a 64-bit number counts: choose smaller sizes.")
    return value

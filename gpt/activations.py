"""Bytes of activations: what a training step keeps for its backward pass, and what one forward pass works in.

Derived from the operations of gpt/model.py and exact for them on a CPU; the published estimate stands beside it.
"""

from .config import GPTConfig
from .formula import Term, total
from .workload import ModelSymbols, Workload, WorkSymbols

THIS_MODEL = "gpt/model.py, what PyTorch's eager mode saves for backward on a CPU"
PUBLISHED = "Korthikanti et al. 2022, arXiv 2205.05198, section 4"


def kept_activations(config: GPTConfig, workload: Workload, m: ModelSymbols, w: WorkSymbols) -> Term:
    """Bytes alive between the forward and the backward pass, without the logits."""
    dropout = config.drop_rate > 0
    b, s, d, A = w.b, w.s, m.d, w.A
    # Outside the blocks: the embedding's dropout mask, the input and output of the last norm with its two
    # figures per token, and the indices into both embeddings, 8 bytes each.
    ends = total((3 if dropout else 2) * b * s * d * A, 2 * b * s * A, 8 * b * s, 8 * s)
    return m.L * block_activations(config, workload, m, w) + ends


def block_activations(config: GPTConfig, workload: Workload, m: ModelSymbols, w: WorkSymbols) -> Term:
    """Bytes one transformer block keeps for backward.

    (b, s, d) each: norm1 in and out, q, k, v, the context, norm2 in and out, and four for the hidden layer before
    and after GELU: 16, with dropout two masks more, held as numbers of the same size.
    """
    dropout = config.drop_rate > 0
    b, s, d, h, A = w.b, w.s, m.d, m.h, w.A
    if workload.recompute == "full":
        return b * s * d * A
    # Mean and 1/deviation of two norms per token: 4 numbers.
    tokens = (18 if dropout else 16) * b * s * d * A + 4 * b * s * A
    if workload.recompute == "selective":
        return tokens
    if dropout:
        # The attention weights, their dropout mask, and their product; the causal mask is one byte a cell.
        return tokens + 3 * b * h * s**2 * A + s**2
    # The fused kernel keeps one float32 per row of attention weights instead of the row.
    return tokens + 4 * b * h * s


def published_activations(workload: Workload, m: ModelSymbols, w: WorkSymbols) -> Term:
    """The published estimate: with A = 2 it is s b d L (34 + 5 h s / d), 34 s b d L and 2 s b d L.

    It counts dropout masks at one byte and always counts them.
    """
    b, s, d, h, L, A = w.b, w.s, m.d, m.h, m.L, w.A
    if workload.recompute == "full":
        return s * b * d * L * A
    tokens = d * (16 * A + 2)
    if workload.recompute == "selective":
        return s * b * L * tokens
    return s * b * L * (tokens + h * s * (2 * A + 1))


def working_set(m: ModelSymbols, w: WorkSymbols) -> Term:
    """Bytes alive at the fullest moment of a forward pass that keeps nothing, before the logits.

    Inside the feed-forward, (b, s, d) each: the block's input, the input of norm2 and its output, and four for the
    hidden layer before and after GELU.
    """
    return 11 * w.b * w.s * m.d * w.A

"""Bytes of activations: what a training step keeps for its backward pass, and what one forward pass works in.

Derived from the operations of gpt/model.py, and exact for them on a CPU. The published estimate is here too.
"""

from ..config import GPTConfig
from .formula import Term, constant, largest, total
from .workload import ModelSymbols, Workload, WorkSymbols

THIS_MODEL = "gpt/model.py, what PyTorch's eager mode saves for backward on a CPU"
PUBLISHED = "Korthikanti et al. 2022, arXiv 2205.05198, section 4"


def kept_activations(config: GPTConfig, workload: Workload, m: ModelSymbols, w: WorkSymbols) -> Term:
    """Bytes held between the forward and the backward pass, without the logits."""
    b, s, d, A = w.b, w.s, m.d, w.A
    # Outside the blocks: the embedding's dropout mask, the input and output of the last norm with its two
    # figures per token, and the indices into both embeddings, 8 bytes each.
    ends = total((3 if config.drop_rates.emb else 2) * b * s * d * A, 2 * b * s * A, 8 * b * s, 8 * s)
    return m.L * block_activations(config, workload, m, w) + ends


def block_activations(config: GPTConfig, workload: Workload, m: ModelSymbols, w: WorkSymbols) -> Term:
    """Bytes one transformer block keeps for backward.

    (b, s, d) each: norm1 in and out, q, k, v, the context, norm2 in and out: 8. (b, s, f) each: the hidden layer before
    and after GELU; ReLU needs only what comes after it. A dropout keeps its mask as numbers of the same size.
    """
    b, s, d, h, f, A = w.b, w.s, m.d, m.h, m.f, w.A
    if workload.recompute == "full":
        return b * s * d * A
    masks = 2 if config.drop_rates.shortcut else 0
    hidden = 1 if config.activation == "relu" else 2
    # Mean and 1/deviation of two norms per token: 4 numbers.
    tokens = (8 + masks) * b * s * d * A + hidden * b * s * f * A + 4 * b * s * A
    if workload.recompute == "selective":
        return tokens
    if config.drop_rates.attn:
        # The attention weights, their dropout mask, and their product; the causal mask is one byte a cell.
        return tokens + 3 * b * h * s**2 * A + s**2
    # The fused kernel keeps one float32 per row of attention weights instead of the row.
    return tokens + 4 * b * h * s


def block_in_backward(config: GPTConfig, workload: Workload, m: ModelSymbols, w: WorkSymbols) -> Term:
    """The most bytes held of one block while its gradients are computed, all that was computed again included.

    That is when the gradients before and after the activation function are there, or those of the attention weights.
    """
    b, s, d, h, f, A = w.b, w.s, m.d, m.h, m.f, w.A
    masks = 2 if config.drop_rates.shortcut else 0
    # What is kept before and after the activation function and its two gradients are never all four there.
    feed_forward = (9 + masks) * b * s * d * A + 3 * b * s * f * A
    if config.drop_rates.attn:
        cells = b * h * s**2 * A  # one number for each pair of tokens and head
        kept_cells = constant(0) if workload.recompute == "selective" else 3 * cells + s**2
        return largest(feed_forward + kept_cells, 8 * b * s * d * A + 4 * cells + s**2)
    rows = 4 * b * h * s
    return largest(feed_forward + rows, 11 * b * s * d * A + rows)


def published_activations(workload: Workload, m: ModelSymbols, w: WorkSymbols) -> Term:
    """The published estimate: with A = 2 and f = 4 d it is s b d L (34 + 5 h s / d), 34 s b d L and 2 s b d L.

    It counts dropout masks as one byte a number, and it counts them also where there is no dropout.
    """
    b, s, d, h, L, f, A = w.b, w.s, m.d, m.h, m.L, m.f, w.A
    if workload.recompute == "full":
        return s * b * d * L * A
    tokens = d * (8 * A + 2) + 2 * f * A
    if workload.recompute == "selective":
        return s * b * L * tokens
    return s * b * L * (tokens + h * s * (2 * A + 1))


def working_set(m: ModelSymbols, w: WorkSymbols) -> Term:
    """The most bytes held at once in a forward pass that keeps nothing, before the logits.

    In the feed-forward network, (b, s, d) each: the block's input, the input of norm2 and its output; and (b, s, f)
    each: the hidden layer before and after its activation. In attention, (b, s, d) each: the block's input, the output
    of norm1, queries, keys, values, the context and its projection.
    """
    return w.b * w.s * w.A * largest(constant(7) * m.d, constant(3) * m.d + 2 * m.f)

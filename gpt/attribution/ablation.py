"""Parts of a model switched off, by changing weights: whoever reads a GPTModel reads the altered one like any other.

A head is a slice of what the output projection reads. What the projection gives is a sum over all heads: a slice of
that is no head.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..engine.precision import PackedLinear
from ..model import GPTModel
from ..tracing import structural_copy, trace
from .forward_pass import Linear, blocks_of, feed_forward_output, weight_of

WAYS = ("zero", "mean")


@torch.no_grad()
def ablate(
    model: GPTModel,
    heads: Collection[tuple[int, int]] = (),
    feed_forwards: Collection[int] = (),
    blocks: Collection[int] = (),
    by: str = "zero",
    reference: Sequence[int] | Tensor | None = None,
) -> GPTModel:
    """The model without some heads (block, head), feed-forwards and whole blocks, all counted from 0.

    by "zero": they add nothing. by "mean": they add, at every token, what they add on average over the tokens of
    reference (ids), as the whole model reads it. A block is its attention and its feed-forward, with their biases.
    All weights but the changed ones are shared with the model, which stays as it is. Raises ValueError for parts the
    model does not have, an unknown `by`, and a reference that is missing or longer than the context.
    """
    check_parts(model, heads, feed_forwards, blocks)
    means = block_means(model, by, reference)
    altered = structural_copy(model)
    for layer, block in enumerate(blocks_of(altered)):
        mean = None if means is None else means[layer]
        off = sorted({head for at, head in heads if at == layer})
        if layer in blocks:
            block.att._modules["out_proj"] = _constant(block.att.out_proj, None if mean is None else mean.attention)
        elif off:
            block.att._modules["out_proj"] = _without_heads(block.att.out_proj, block.att.n_heads, off, mean)
        if layer in blocks or layer in feed_forwards:
            block.ff.layers[-1] = _constant(feed_forward_output(block), None if mean is None else mean.feed_forward)
    return altered


@dataclass(frozen=True, eq=False)
class BlockMeans:
    """What the parts of one block give on average over the tokens of a text."""

    heads: Tensor  # (h, head_dim)
    attention: Tensor  # (d,), with its bias
    feed_forward: Tensor  # (d,), with its bias


def block_means(model: GPTModel, by: str, reference: Sequence[int] | Tensor | None) -> list[BlockMeans] | None:
    """The means that take the place of parts, block by block; None when zero does.

    Raises ValueError for an unknown `by`, and a reference that is missing or longer than the context.
    """
    if by not in WAYS:
        raise ValueError(f"by is {by!r}: choose one of {', '.join(WAYS)}.")
    if by == "zero":
        return None
    if reference is None:
        raise ValueError('by is "mean" and there is no reference: give the ids of a text to average over.')
    return [
        BlockMeans(
            heads=seen.heads.mean(1),
            attention=(seen.norm2.before - seen.norm1.before).mean(0),
            feed_forward=seen.feed_forward.mean(0),
        )
        for seen in trace(model, reference).blocks
    ]


def check_parts(
    model: GPTModel, heads: Collection[tuple[int, int]], feed_forwards: Collection[int], blocks: Collection[int]
) -> None:
    """Raises ValueError for parts that the model does not have."""
    n_layers, n_heads = model.config.n_layers, model.config.n_heads
    for layer in (*(layer for layer, _ in heads), *feed_forwards, *blocks):
        if not 0 <= layer < n_layers:
            raise ValueError(f"There is no block {layer}: this model's blocks run from 0 to {n_layers - 1}.")
    for layer, head in heads:
        if not 0 <= head < n_heads:
            raise ValueError(f"Block {layer} has no head {head}: its heads run from 0 to {n_heads - 1}.")


def _without_heads(out_proj: Linear, n_heads: int, off: list[int], mean: BlockMeans | None) -> Linear:
    """An output projection that does not read some heads; their mean, if any, goes into the bias."""
    weight = out_proj.weight.detach().clone()
    weight.unflatten(1, (n_heads, -1))[:, off] = 0
    bias: Tensor | None = out_proj.bias
    if mean is not None:
        columns = weight_of(out_proj).double().unflatten(1, (n_heads, -1))[:, off]  # (d, heads off, head_dim)
        added = torch.einsum("dhe,he->d", columns, mean.heads[off].double()).float()
        bias = added if bias is None else bias + added
    return _with_numbers(out_proj, weight, bias)


def _constant(layer: Linear, value: Tensor | None) -> Linear:
    """A Linear layer that gives the same vector (d,) for every input, zero for None."""
    weight = torch.zeros_like(layer.weight)
    return _with_numbers(layer, weight, torch.zeros(len(weight)) if value is None else value)


def _with_numbers(layer: Linear, weight: Tensor, bias: Tensor | None) -> Linear:
    """The same kind of Linear layer, packed or not, around another weight and bias; int8 ones keep their scales."""
    if isinstance(layer, PackedLinear):
        return layer.with_weight(weight, bias)
    twin = structural_copy(layer)
    twin._parameters |= {
        name: None if tensor is None else nn.Parameter(tensor, requires_grad=False)
        for name, tensor in {"weight": weight, "bias": bias}.items()
    }
    return twin

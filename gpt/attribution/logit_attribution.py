"""Direct logit attribution: one logit, or the difference of two, as a sum over everything that wrote to the stream.

With x the stream before the final norm, σ = √(var x + ε) and u the difference of two rows of the output head, the
logit difference is x · g + shift · u, where g = (scale ⊙ u − mean(scale ⊙ u)) / σ. x is a sum, so x · g is one too,
as long as σ is held fixed. Idea: Elhage et al., "A Mathematical Framework for Transformer Circuits" (2021).
Axes: t tokens, d emb_dim, h heads, n neurons of a feed-forward, v vocab_size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..model import GPTModel, TransformerBlock
from ..tracing import BlockTrace, Trace, trace
from .forward_pass import (
    blocks_of,
    checked_rival,
    checked_token,
    feed_forward_output,
    last_logits,
    weight_of,
    weight_row,
)


@dataclass(frozen=True)
class Part:
    """What one component adds to the logit difference; block and head count from 0, None where there is none."""

    component: str  # "token embedding", "position embedding", "head", "attention bias", "feed-forward", "norm shift"
    block: int | None  # or "rounding", which a packed model has
    head: int | None
    value: float


@dataclass(frozen=True, eq=False)
class Account:
    """A logit difference and the parts that sum to it, in the order in which the model adds them.

    rival_id None stands for the mean over the vocabulary.
    """

    token_id: int
    rival_id: int | None
    logit_difference: float
    parts: tuple[Part, ...]
    sigma: float  # the final norm's deviation for this token, held fixed
    direction: Tensor  # g: (d,) float64, what a vector in the stream is multiplied with


@dataclass(frozen=True, eq=False)
class FeedForwardAccount:
    """A feed-forward's part, neuron by neuron: values (n,) and bias sum to it, but for a packed model's rounding."""

    activations: Tensor  # (n,), what each neuron gives after the activation function
    values: Tensor  # (n,) float64
    bias: float


def direct_logit_attribution(
    model: GPTModel, ids: Sequence[int] | Tensor, token_id: int, rival_id: int | None = None
) -> Account:
    """Why token_id, rather than rival_id, follows ids (a list, (t,) or (1, t)); no rival is the vocabulary's mean.

    The parts sum to the logit difference. In float32 each is computed by itself; a packed model rounds on the way,
    so its account has one part more, "rounding", that is what is left. Raises ValueError for ids that are not the
    model's, more than its context, and a rival that is token_id.
    """
    return account(model, trace(model, ids), token_id, rival_id)


@torch.no_grad()
def account(model: GPTModel, traced: Trace, token_id: int, rival_id: int | None = None, row: int = -1) -> Account:
    """The same for what follows one of the tokens of a trace, the last by default."""
    row %= len(traced.ids)
    checked_token(model, token_id)
    if rival_id is not None:
        checked_rival(model, token_id, rival_id)
    u = _head_difference(model, token_id, rival_id)
    norm = model.final_norm
    scaled = norm.scale.double() * u
    variance = traced.final_norm.before[row].double().var(correction=0)
    sigma = (variance + norm.eps).sqrt()
    g = (scaled - scaled.mean()) / sigma
    logits = last_logits(model, traced, row).double()
    logit_difference = float(logits[token_id] - (logits.mean() if rival_id is None else logits[rival_id]))
    parts = [
        Part("token embedding", None, None, _dot(model.tok_emb.weight[traced.ids[row]], g)),
        Part("position embedding", None, None, _dot(model.pos_emb.weight[traced.start + row], g)),
    ]
    for layer, (block, seen) in enumerate(zip(blocks_of(model), traced.blocks, strict=True)):
        parts += _block_parts(layer, block, seen, row, g)
    parts.append(Part("norm shift", None, None, _dot(norm.shift, u)))
    if model.precision != "float32":
        left = logit_difference - sum(part.value for part in parts)
        parts.append(Part("rounding", None, None, left))
    return Account(token_id, rival_id, logit_difference, tuple(parts), float(sigma), g)


@torch.no_grad()
def feed_forward_account(model: GPTModel, traced: Trace, of: Account, block: int, row: int = -1) -> FeedForwardAccount:
    """The feed-forward of one block, neuron by neuron: neuron j gives a_j (w_j · g), the bias b · g.

    `of` has to be the account of the same row of the trace.
    """
    row %= len(traced.ids)
    feed_forward = blocks_of(model)[block].ff
    output = feed_forward_output(blocks_of(model)[block])
    activations = feed_forward.layers[:-1](traced.blocks[block].norm2.after[row : row + 1])[0]
    towards = of.direction @ weight_of(output).double()
    return FeedForwardAccount(activations, activations.double() * towards, _bias_part(output.bias, of.direction))


def _block_parts(layer: int, block: TransformerBlock, seen: BlockTrace, row: int, g: Tensor) -> Iterator[Part]:
    out_proj = block.att.out_proj
    towards = (g @ weight_of(out_proj).double()).unflatten(0, (block.att.n_heads, -1))  # (h, head_dim)
    heads = (seen.heads[:, row].double() * towards).sum(-1)
    for head, value in enumerate(heads.tolist()):
        yield Part("head", layer, head, value)
    yield Part("attention bias", layer, None, _bias_part(out_proj.bias, g))
    yield Part("feed-forward", layer, None, _dot(seen.feed_forward[row], g))


def _head_difference(model: GPTModel, token_id: int, rival_id: int | None) -> Tensor:
    """u: the output head's row of the token minus that of its rival, or minus the mean row; (d,) float64."""
    head = model.out_head
    rival = weight_of(head).mean(0) if rival_id is None else weight_row(head, rival_id)
    return weight_row(head, token_id).double() - rival.double()


def _bias_part(bias: Tensor | None, g: Tensor) -> float:
    return 0.0 if bias is None else _dot(bias, g)


def _dot(vector: Tensor, g: Tensor) -> float:
    return float(vector.double() @ g)

"""What every head of a model does to one prediction: each is switched off in turn, block by block.

What a head adds directly is one thing; what becomes of the prediction without it is another, as later blocks read it.
Axes: h heads, t tokens, d emb_dim, v vocab_size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..model import GPTModel, TransformerBlock
from ..tracing import BlockTrace, Trace, structural_copy, trace
from .ablation import BlockMeans, block_means
from .forward_pass import blocks_of, checked_rival, checked_token, last_logits, logits_from, logprob


@dataclass(frozen=True, eq=False)
class BlockEffects:
    """What changes when each head of one block is switched off, (h,) each: altered minus the model's own."""

    block: int
    logprob: Tensor  # change of log p of the token, nats; negative where the head made the token likelier
    logit_difference: Tensor  # change of its logit minus the rival's, or minus the vocabulary's mean
    kl: Tensor  # from the model's own distribution to the altered one, nats


def head_effects(
    model: GPTModel,
    ids: Sequence[int] | Tensor,
    token_id: int,
    rival_id: int | None = None,
    by: str = "zero",
    reference: Sequence[int] | Tensor | None = None,
    first_block: int = 0,
) -> Iterator[BlockEffects]:
    """For each block from the first on, what switching off each of its heads does to the prediction after ids.

    The model reads ids once; for a head it reads again only from the head's block on. `by` and reference as in
    `ablate`. Raises ValueError at once for wrong arguments.
    """
    checked_token(model, token_id)
    if rival_id is not None:
        checked_rival(model, token_id, rival_id)
    means = block_means(model, by, reference)
    return _effects(model, trace(model, ids), token_id, rival_id, means, first_block)


@dataclass(frozen=True, eq=False)
class Change:
    """One prediction of a model and of an altered one: their logits (v,), and how far they are apart."""

    before: Tensor
    after: Tensor
    logprob: float  # change of log p of the token, nats
    kl: float  # from before to after, nats


@torch.no_grad()
def change(model: GPTModel, altered: GPTModel, ids: Sequence[int] | Tensor, token_id: int) -> Change:
    """What an altered model predicts after ids instead, both read in the same way. Raises ValueError as `trace`."""
    checked_token(model, token_id)
    before, after = (last_logits(each, trace(each, ids)) for each in (model, altered))
    difference = logprob(after, token_id) - logprob(before, token_id)
    return Change(before, after, float(difference), float(kl_divergence(before, after)))


def kl_divergence(logits: Tensor, other: Tensor) -> Tensor:
    """How far the softmax of other (..., v) is from that of logits (..., v), in nats: Σ p ln(p / q)."""
    log_p, log_q = logits.double().log_softmax(-1), other.double().log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).clamp_min(0)


@torch.no_grad()
def _effects(
    model: GPTModel,
    traced: Trace,
    token_id: int,
    rival_id: int | None,
    means: list[BlockMeans] | None,
    first_block: int,
) -> Iterator[BlockEffects]:
    reader = structural_copy(model).eval()
    own = last_logits(model, traced)
    for layer, seen in list(enumerate(traced.blocks))[first_block:]:
        mean = None if means is None else means[layer].heads
        leaving = _without_each_head(blocks_of(reader)[layer], seen, mean)
        logits = logits_from(reader, layer + 1, leaving)
        rise = logprob(logits, token_id) - logprob(own, token_id)
        difference = _difference(logits, token_id, rival_id) - _difference(own, token_id, rival_id)
        yield BlockEffects(layer, rise, difference, kl_divergence(own, logits))


def _without_each_head(block: TransformerBlock, seen: BlockTrace, mean: Tensor | None) -> Tensor:
    """What leaves the block when head 0 is off, when head 1 is off, and so on: (h, t, d)."""
    h, t, _ = seen.heads.shape
    heads = seen.heads.repeat(h, 1, 1, 1)  # (heads off, h, t, head_dim)
    each = torch.arange(h)
    heads[each, each] = 0 if mean is None else mean[:, None]
    x = seen.norm1.before + block.att.out_proj(heads.transpose(1, 2).reshape(h, t, -1))
    after: Tensor = x + block.ff(block.norm2(x))
    return after


def _difference(logits: Tensor, token_id: int, rival_id: int | None) -> Tensor:
    logits = logits.double()
    return logits[..., token_id] - (logits.mean(-1) if rival_id is None else logits[..., rival_id])

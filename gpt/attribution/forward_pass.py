"""Pieces of a forward pass that attribution asks for: from any block to the logits, and backwards through the blocks.

Axes: n texts read side by side, t tokens, d emb_dim, v vocab_size, L n_layers.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from ..engine.panel_layout import PANEL, from_panels
from ..engine.precision import PackedLinear, unpacked
from ..generation import checked_ids
from ..model import GPTModel, TransformerBlock
from ..tracing import Trace, differentiable

Linear = nn.Linear | PackedLinear


def blocks_of(model: GPTModel) -> list[TransformerBlock]:
    """The model's blocks, first to last."""
    return cast(list[TransformerBlock], list(model.trf_blocks))


def feed_forward_output(block: TransformerBlock) -> Linear:
    """The layer that brings a feed-forward's neurons back to the stream."""
    return cast(Linear, block.ff.layers[-1])


def checked_token(model: GPTModel, token_id: int) -> int:
    """token_id. Raises ValueError when the model's vocabulary lacks it."""
    return checked_ids(model, [token_id])[0]


def checked_rival(model: GPTModel, token_id: int, rival_id: int) -> int:
    """rival_id. Raises ValueError when the vocabulary lacks it, or when it is token_id itself."""
    if checked_token(model, rival_id) == token_id:
        raise ValueError(f"Token {token_id} is its own rival: choose another token to compare it with.")
    return rival_id


def logits_from(model: GPTModel, layer: int, x: Tensor) -> Tensor:
    """What follows the last token, when x (n, t, d) enters block `layer`: logits (n, v).

    The model has to be in eval mode; n_layers is the place behind the last block.
    """
    for block in blocks_of(model)[layer:]:
        x = block(x)
    return logits_after(model, model.final_norm(x[:, -1]))


@torch.no_grad()
def logits_after(model: GPTModel, hidden: Tensor) -> Tensor:
    """Logits (..., v) of final hidden vectors (..., d), by the model's own head: as a trace reads it."""
    logits: Tensor = model.out_head(hidden)
    return logits.float()


def last_logits(model: GPTModel, traced: Trace, row: int = -1) -> Tensor:
    """The logits (v,) of what follows one of a trace's tokens, the last by default."""
    return logits_after(model, traced.final_norm.after[row])


def entering(traced: Trace) -> list[Tensor]:
    """The residual stream entering each block, L tensors (t, d)."""
    return [block.norm1.before for block in traced.blocks]


def stream_gradients(model: GPTModel, traced: Trace, figure: Callable[[Tensor], Tensor]) -> Tensor:
    """Gradient of a figure of the last token's logits (v,), by the stream entering each block: (L, t, d).

    Backward runs in float32 whatever the model's precision, block by block: no more than one is unpacked at a time.
    The trace must begin with the text.
    """
    with torch.enable_grad():
        leaving = traced.final_norm.before.detach().clone().requires_grad_()
        logits = unpacked(model.out_head)(model.final_norm(leaving[-1:]))
        (gradient,) = torch.autograd.grad(figure(logits[0]), leaving)
    gradients = []
    for block, before in zip(reversed(blocks_of(model)), reversed(entering(traced)), strict=True):
        gradient = _step_back(differentiable(block), before, gradient)
        gradients.append(gradient)
    return torch.stack(gradients[::-1])


def _step_back(block: TransformerBlock, before: Tensor, gradient: Tensor) -> Tensor:
    """The gradient (t, d) from behind a block to the front of it."""
    with torch.enable_grad():
        x = before.detach()[None].clone().requires_grad_()
        return torch.autograd.grad(block(x), x, gradient[None])[0][0]


def weight_of(layer: Linear) -> Tensor:
    """A Linear layer's weight as plain float32 numbers, whatever its precision: (out, in)."""
    if not isinstance(layer, PackedLinear):
        return layer.weight.detach()
    weight = layer.weight.float()
    return weight if layer.scale is None else weight.mul_(layer.scale[:, None])


def weight_row(layer: Linear, row: int) -> Tensor:
    """One row of it: (in,) float32."""
    if not isinstance(layer, PackedLinear):
        return layer.weight.detach()[row]
    panel = layer.panels[row // PANEL][None]
    numbers = from_panels(panel, PANEL, layer.in_features)[row % PANEL].float()
    return numbers if layer.scale is None else numbers * layer.scale[row]


def weight_column(layer: Linear, column: int) -> Tensor:
    """One column of it: (out,) float32."""
    numbers = layer.weight.detach()[:, column].float()
    return numbers if not isinstance(layer, PackedLinear) or layer.scale is None else numbers * layer.scale


def logprob(logits: Tensor, token_id: int) -> Tensor:
    """ln of the probability of a token under logits (..., v): (...) float64."""
    return logits[..., token_id].double() - logits.double().logsumexp(-1)

"""The shape of every tensor in one forward pass of a GPTModel, and what its axes mean.

It is the chapter's figures of the model as a table.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn

from ..config import GPTConfig
from ..model import GPTModel, MultiHeadAttention, attention_weights
from ..tracing import structural_copy

# What an axis counts, by its name in `NamedShape.axes`.
AXES = {
    "b": "texts in the batch",
    "t": "tokens of a text",
    "s": "tokens looked at",
    "d": "numbers that describe one token (emb_dim)",
    "3d": "query, key and value, d numbers each",
    "4d": "inner neurons of the feed-forward network",
    "inner": "inner neurons of the feed-forward network, not 4d as in the chapter",
    "h": "attention heads",
    "d/h": "numbers of one head",
    "v": "tokens of the vocabulary",
}


@dataclass(frozen=True)
class NamedShape:
    """One tensor of the pass: its stage, the code that computes it, its shape, a name per axis, what it holds."""

    stage: str  # "Embeddings", "Block 0", ... or "Output"
    code: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]  # keys of AXES
    holds: str


@dataclass(frozen=True)
class _Label:
    code: str
    axes: str
    holds: str


# By module: its input, where that is not the output of another module, and its output.
_ENTERING = {
    "tok_emb": _Label("ids", "b t", "the number of each token in the vocabulary"),
    "att.out_proj": _Label("context", "b t d", "the heads' results side by side again"),
    "norm2": _Label("x = x + attention", "b t d", "the shortcut: what came in plus what attention adds"),
}
_LEAVING = {
    "tok_emb": _Label("tok_emb(ids)", "b t d", "what each token means"),
    "pos_emb": _Label("pos_emb(positions)", "t d", "where each token stands, the same for every text"),
    "drop_emb": _Label("x = tokens + positions", "b t d", "what enters the first block"),
    "norm1": _Label("norm1(x)", "b t d", "every token with mean 0 and variance 1, then scale and shift"),
    "att.W_qkv": _Label("att.W_qkv(…)", "b t 3d", "the chapter's W_query, W_key and W_value in one multiplication"),
    "att.out_proj": _Label("att.out_proj(context)", "b t d", "what attention adds to each token"),
    "norm2": _Label("norm2(x)", "b t d", "normalized again before the feed-forward network"),
    "ff.layers.0": _Label("ff.layers[0](…)", "b t 4d", "each token on its own, four times as wide"),
    "ff.layers.1": _Label("GELU(…)", "b t 4d", "which inner neurons fire"),
    "ff.layers.2": _Label("ff.layers[2](…)", "b t d", "what the feed-forward network adds to each token"),
    "block": _Label("x = x + feed-forward", "b t d", "the shortcut again: what leaves the block"),
    "final_norm": _Label("final_norm(x)", "b t d", "the last normalization"),
    "out_head": _Label("out_head(…)", "b t v", "logits: a score for every token that could come next"),
}
_QUERIES = _Label("queries", "b h t d/h", "what each token looks for, per head")
_KEYS = _Label("keys", "b h s d/h", "what each token offers to be found by")
_VALUES = _Label("values", "b h s d/h", "what each token passes on when found")
_WEIGHTS = _Label("attention weights", "b h t s", "how much each token looks at each, rows sum to 1")
_CONTEXT = _Label("weights @ values", "b h t d/h", "the values mixed by those weights")


@torch.no_grad()
def tensor_shapes(model: GPTModel, ids: Tensor) -> tuple[NamedShape, ...]:
    """Run ids (b, t) int64 through the model and name every tensor in the order of computation.

    A model without weights, on torch's meta device, has shapes too. Raises ValueError for ids of another shape, outside
    the vocabulary or past the context length.
    """
    _check(model, ids)
    watched = structural_copy(model).eval()
    ids = ids.to(model.tok_emb.weight.device)
    found: list[NamedShape] = []
    for name, module in watched.named_modules():
        stage, local = _place(name)
        if local in _ENTERING:
            module.register_forward_pre_hook(_note_entering(found, stage, _ENTERING[local]))
        if local in _LEAVING:
            module.register_forward_hook(_note_leaving(found, stage, _LEAVING[local]))
        if local == "att.W_qkv":
            attention = cast(MultiHeadAttention, watched.get_submodule(name.removesuffix(".W_qkv")))
            module.register_forward_hook(_note_heads(found, stage, attention))
    watched(ids)
    return tuple(_as_the_model_has_it(shape, model.config) for shape in found)


def _as_the_model_has_it(shape: NamedShape, config: GPTConfig) -> NamedShape:
    """The shape with the names of the model's own feed-forward network, where that is not the chapter's."""
    if config.activation == "relu":
        shape = replace(shape, code=shape.code.replace("GELU", "ReLU"))
    if config.inner_width == 4 * config.emb_dim or "4d" not in shape.axes:
        return shape
    axes = tuple("inner" if axis == "4d" else axis for axis in shape.axes)
    return replace(shape, axes=axes, holds=shape.holds.replace(", four times as wide", ""))


@cache
def without_weights(name: str) -> GPTModel:
    """A preset's model with shapes and no numbers, which takes no memory. Raises ValueError for an unknown name."""
    with torch.device("meta"):
        return GPTModel(GPTConfig.preset(name))


def _check(model: GPTModel, ids: Tensor) -> None:
    if ids.dim() != 2 or 0 in ids.shape:
        raise ValueError(f"ids has the shape {tuple(ids.shape)}: give a batch (b, t) with at least one token.")
    v = model.config.vocab_size
    if int(ids.min()) < 0 or int(ids.max()) >= v:
        raise ValueError(f"ids hold a token this model does not know: its ids run from 0 to {v - 1}.")


def _place(name: str) -> tuple[str, str]:
    """The stage a module belongs to and its name there: "trf_blocks.3.att.W_qkv" -> "Block 3", "att.W_qkv"."""
    first, _, rest = name.partition(".")
    if first == "trf_blocks" and rest:
        index, _, local = rest.partition(".")
        return f"Block {index}", local or "block"
    return ("Embeddings" if first.endswith("_emb") else "Output"), name


def _note(found: list[NamedShape], stage: str, label: _Label, tensor: Tensor) -> None:
    found.append(NamedShape(stage, label.code, tuple(tensor.shape), tuple(label.axes.split()), label.holds))


def _note_entering(found: list[NamedShape], stage: str, label: _Label) -> Callable[..., None]:
    def hook(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        _note(found, stage, label, args[0])

    return hook


def _note_leaving(found: list[NamedShape], stage: str, label: _Label) -> Callable[..., None]:
    def hook(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        _note(found, stage, label, output)

    return hook


def _note_heads(found: list[NamedShape], stage: str, attention: MultiHeadAttention) -> Callable[..., None]:
    """The steps inside attention, computed here: torch's fused kernel keeps none of their results."""

    def hook(_: nn.Module, __: tuple[Tensor, ...], qkv: Tensor) -> None:
        queries, keys, values = attention.split_heads(qkv)
        weights = attention_weights(queries, keys)
        steps = {_QUERIES: queries, _KEYS: keys, _VALUES: values, _WEIGHTS: weights, _CONTEXT: weights @ values}
        for label, tensor in steps.items():
            _note(found, stage, label, tensor)

    return hook

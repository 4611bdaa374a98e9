"""A model's weights as the compiled library reads them: a snapshot that keeps all it points to.

A text that is being written goes on with the snapshot it began with, whatever happens to the model later. The numbers
of a snapshot are copies. Only the panels of packed layers are shared with the model: copies would take their memory
twice. That memory is kept, and writing to it ends the texts that read it with a ValueError.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..model import (
    GELU,
    ExactGELU,
    FeedForward,
    GPTModel,
    LayerNorm,
    MultiHeadAttention,
    TransformerBlock,
)
from .compiled import Library, compiled_library
from .fingerprint import Glance, Shared, fingerprint, is_as_made, is_in_memory
from .panel_layout import empty_in_huge_pages, in_panels, memory_of, panels_shape
from .precision import PackedLinear, cache_dtype, weight_bytes
from .weight_panels import weight_panels, weights_of_files

# As in c/product.h.
_FORMATS = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2}
_AS_IT_IS, _TO_BFLOAT16, _TO_STEPS = range(3)
_ACTIVATIONS: dict[type[nn.Module], int] = {GELU: 0, ExactGELU: 1, nn.ReLU: 2}


class _Unreadable(Exception):
    """Something that the library does not know how to read."""


@dataclass(frozen=True, eq=False)
class PackedModel:
    """The structures of engine.h for one model, and the tensors they point to."""

    library: Library
    structure: Any  # GPTModel *
    kept: tuple[object, ...]
    n_bytes: int  # of the tensors that belong to the snapshot alone
    n_layers: int
    n_heads: int
    head_dim: int
    emb_dim: int
    vocab_size: int  # logits that the head gives
    n_ids: int  # tokens that can be read
    context_length: int
    cache_dtype: torch.dtype
    shared: tuple[Shared, ...]  # with the model

    def check_unwritten(self) -> None:
        """Raises ValueError when the numbers are no longer those of the model that was packed."""
        if any(each.is_written_to() for each in self.shared):
            raise ValueError("The model's packed weights were written to while this text was read: begin it again.")


_packed: WeakKeyDictionary[GPTModel, tuple[Glance, PackedModel | None]] = WeakKeyDictionary()
_lock = Lock()


def packed_model(model: GPTModel) -> PackedModel | None:
    """The model as the library reads it, packed when it is first asked for and after each change of the weights.

    None without the library, and for a model that was altered or is watched: only its own modules know what it
    computes. What `fingerprint` does not notice is not noticed here. Raises ValueError for a model whose numbers are
    gone.
    """
    library = compiled_library()
    if library is None or not is_as_made(model):
        return None
    with _lock:
        now = fingerprint(model, weights_of_files())
        before, packed = _packed.get(model, (None, None))
        if before != now:
            packed = _try_to_pack(library, model)
            _packed[model] = now, packed
        return packed


def held_bytes(model: GPTModel) -> int:
    """Bytes of all the numbers in memory for a model: its own weights, and what was packed of them for reading."""
    _, packed = _packed.get(model, (None, None))
    return weight_bytes(model) + (0 if packed is None else packed.n_bytes)


# Packing


def pack_model(library: Library, model: GPTModel) -> PackedModel:
    """A model of the chapter's own modules, packed for this library."""
    return _Packer(library, model).pack()


def _try_to_pack(library: Library, model: GPTModel) -> PackedModel | None:
    try:
        return pack_model(library, model)
    except _Unreadable:
        return None


class _Packer:
    """Fills the structures for one model and collects what they point to."""

    def __init__(self, library: Library, model: GPTModel) -> None:
        self.library, self.model, self.emb_dim = library, model, model.config.emb_dim
        self.kept: list[object] = []
        self.shared: list[Shared] = []
        self.own: set[int] = set()
        self.n_bytes = 0

    @torch.no_grad()
    def pack(self) -> PackedModel:
        model, new = self.model, self.library.ffi.new
        layers = _blocks(model)
        emb_dim, n_heads = self.emb_dim, model.config.n_heads
        blocks = self._keep(new("TransformerBlock[]", len(layers)))
        for number, block in enumerate(layers):
            self._fill_block(blocks[number], block)
        filled = self._keep(new("GPTModel *"))
        self._fill_embedding(filled.tok_emb, model.tok_emb)
        self._fill_embedding(filled.pos_emb, model.pos_emb)
        filled.blocks = blocks
        self._fill_norm(filled.final_norm, model.final_norm)
        self._fill_linear(filled.out_head, model.out_head, emb_dim)
        filled.n_layers, filled.n_heads, filled.emb_dim = len(layers), n_heads, emb_dim
        filled.inner_dim = max(block.widen.out for block in blocks)
        filled.vocab_size = model.out_head.out_features
        filled.activation = _activation(model)
        dtype = cache_dtype(model)
        filled.cache_is_bfloat16 = dtype is torch.bfloat16
        return PackedModel(
            library=self.library,
            structure=filled,
            kept=tuple(self.kept),
            n_bytes=self.n_bytes,
            n_layers=len(layers),
            n_heads=n_heads,
            head_dim=emb_dim // n_heads,
            emb_dim=emb_dim,
            vocab_size=model.out_head.out_features,
            n_ids=len(model.tok_emb.weight),
            context_length=model.pos_emb.weight.shape[0],
            cache_dtype=dtype,
            shared=tuple(self.shared),
        )

    def _keep(self, value: Any) -> Any:
        self.kept.append(value)
        return value

    def _own(self, tensor: Tensor) -> Tensor:
        if id(tensor) not in self.own:  # a tied head is the embedding's panels
            self.own.add(id(tensor))
            self.n_bytes += tensor.numel() * tensor.element_size()
        self.kept.append(tensor)
        return tensor

    def _fill_embedding(self, filled: Any, embedding: nn.Embedding) -> None:
        _is(nn.Embedding, embedding)
        _check(embedding.weight, (len(embedding.weight), self.emb_dim))
        if embedding.max_norm is not None:
            raise _Unreadable
        panels = self._own(weight_panels(embedding.weight, self.library))
        filled.panels, filled.format = self.library.pointer(panels), _FORMATS[panels.dtype]

    def _fill_block(self, filled: Any, block: TransformerBlock) -> None:
        d, attention = self.emb_dim, block.att
        expand, _, contract = block.ff.layers
        if attention.n_heads != self.model.config.n_heads:
            raise _Unreadable
        self._fill_norm(filled.norm1, block.norm1)
        self._fill_norm(filled.norm2, block.norm2)
        self._fill_linear(filled.W_qkv, attention.W_qkv, d, 3 * d)
        self._fill_linear(filled.out_proj, attention.out_proj, d, d)
        self._fill_linear(filled.widen, expand, d)
        self._fill_linear(filled.narrow, contract, filled.widen.out, d)
        filled.score_divisor = attention.divisor

    def _fill_norm(self, filled: Any, norm: LayerNorm) -> None:
        _is(LayerNorm, norm)
        if norm.scale is None or norm.shift is None:
            raise _Unreadable
        filled.scale, filled.shift = self._row(norm.scale, self.emb_dim), self._row(norm.shift, self.emb_dim)
        filled.eps = norm.eps

    def _row(self, numbers: Tensor | None, n: int) -> Any:
        """A copy of n numbers in whole panels, filled up with zeros."""
        if numbers is None:
            return self.library.ffi.NULL
        _check(numbers, (n,))
        row = self._own(torch.zeros(in_panels(n)))
        row[:n] = numbers
        return self.library.pointer(row, "float *")

    def _fill_linear(self, filled: Any, layer: nn.Module, n_in: int, out: int | None = None) -> None:
        """A layer with n_in inputs and `out` outputs, or as many as it has."""
        if isinstance(layer, PackedLinear):
            panels = layer.panels
            filled.scale = self._row(layer.scale, layer.out_features)
            filled.rounding = _TO_BFLOAT16 if layer.scale is None else _TO_STEPS
            is_int8 = panels.dtype is torch.int8
            if panels.dtype not in _FORMATS or is_int8 != (layer.scale is not None) or not panels.is_contiguous():
                raise _Unreadable
            _check(panels, panels_shape(layer.out_features, layer.in_features, panels.dtype), panels.dtype)
            panels = self._lasting(panels)
        elif isinstance(layer, nn.Linear):
            _check(layer.weight, (layer.out_features, layer.in_features))
            panels = self._own(weight_panels(layer.weight, self.library))
            filled.scale, filled.rounding = self.library.ffi.NULL, _AS_IT_IS
        else:
            raise _Unreadable
        if (layer.in_features, layer.out_features) != (n_in, out or layer.out_features):
            raise _Unreadable
        filled.panels = self.library.pointer(panels)
        filled.bias = self._row(layer.bias, layer.out_features)
        filled.out = layer.out_features
        setattr(filled, "in", layer.in_features)
        filled.format = _FORMATS[panels.dtype]

    def _lasting(self, panels: Tensor) -> Tensor:
        """The panels of a packed layer, in memory that stays whatever becomes of the layer's own tensor."""
        memory = memory_of(panels)
        if memory is None:  # a layer that was copied, or moved to shared memory
            return self._own(empty_in_huge_pages(tuple(panels.shape), panels.dtype).copy_(panels))
        self.kept.append(memory)
        self.shared.append(Shared(panels))
        return panels


def _check(tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> None:
    """Refuses a tensor that is smaller than the library is told: it would read memory beyond the tensor."""
    if tensor.shape != shape or tensor.dtype is not dtype or not tensor.is_cpu or not is_in_memory(tensor):
        raise _Unreadable


def _is(kind: type[nn.Module], *modules: nn.Module) -> None:
    """All of a kind: a known layer may stand where another one belongs."""
    if not all(isinstance(module, kind) for module in modules):
        raise _Unreadable


def _blocks(model: GPTModel) -> list[TransformerBlock]:
    """The blocks, once each of their parts is of the kind that belongs there."""
    blocks = cast(list[TransformerBlock], list(model.trf_blocks))
    _is(TransformerBlock, *blocks)
    _is(MultiHeadAttention, *(block.att for block in blocks))
    _is(FeedForward, *(block.ff for block in blocks))
    _is(nn.Dropout, model.drop_emb, *(block.drop_shortcut for block in blocks))
    if not blocks or any(len(block.ff.layers) != 3 for block in blocks):
        raise _Unreadable
    return blocks


def _activation(model: GPTModel) -> int:
    kinds = {type(block.ff.layers[1]) for block in _blocks(model)}
    if len(kinds) != 1 or not kinds <= _ACTIVATIONS.keys():
        raise _Unreadable
    return _ACTIVATIONS[kinds.pop()]

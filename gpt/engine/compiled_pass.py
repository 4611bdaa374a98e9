"""One pass of the compiled library over tokens of one text or of several, and a single product.

The library does not check what it is given, so everything that could reach beyond a tensor is checked here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .packed_model import PackedModel
from .panel_layout import PANEL, in_panels

_ALIGNMENT = 64


class Text:
    """The keys and values of one text, `length` tokens of at most `capacity`."""

    def __init__(self, packed: PackedModel, capacity: int) -> None:
        self.packed = packed
        self.capacity = min(capacity, packed.context_length)
        self.length = 0
        room = in_panels(self.capacity)
        shape = packed.n_layers, packed.n_heads
        head_dim, dtype = packed.head_dim, packed.cache_dtype
        self.keys = torch.empty(*shape, room // PANEL, head_dim, PANEL, dtype=dtype)
        self.values = torch.empty(*shape, in_panels(head_dim) // PANEL, room, PANEL, dtype=dtype)

    def check(self, ids: Sequence[int]) -> None:
        """Raises ValueError unless ids can be read now."""
        check_ids(ids, self.packed.n_ids, self.length, self.capacity)


def check_ids(ids: Sequence[int], n_ids: int, length: int, capacity: int) -> None:
    """Raises ValueError unless ids, of a model with n_ids tokens, can be read after `length` others."""
    if not ids:
        raise ValueError("There are no tokens to read: give at least one.")
    if length + len(ids) > capacity:
        raise ValueError(f"{length + len(ids)} tokens do not fit: there is room for {capacity}.")
    for token_id in ids:
        if not isinstance(token_id, int) or isinstance(token_id, bool) or not 0 <= token_id < n_ids:
            raise ValueError(f"{token_id!r} is not a token of this model: its ids run from 0 to {n_ids - 1}.")


@dataclass(frozen=True, eq=False)
class Piece:
    """Tokens of a text to read in one pass, and whether the logits after the last of them are wanted."""

    text: Text
    ids: Sequence[int]
    wants_logits: bool


class Room:
    """Memory for passes, kept from one to the next."""

    def __init__(self) -> None:
        self._bytes = torch.empty(0, dtype=torch.uint8)

    def at_least(self, n_bytes: int) -> Tensor:
        """Aligned memory of n_bytes or more."""
        if len(self._bytes) < n_bytes + _ALIGNMENT:
            self._bytes = torch.empty(n_bytes + _ALIGNMENT, dtype=torch.uint8)
        return self._bytes[-self._bytes.data_ptr() % _ALIGNMENT :]


def read_pieces(packed: PackedModel, pieces: Sequence[Piece], room: Room) -> list[tuple[Tensor, Tensor | None]]:
    """Read all pieces in one pass, each of a text of its own; returns hidden (n, d) and logits (v,) or None of each.

    Raises ValueError for ids that cannot be read, and for weights that were written to, before anything is read.
    """
    packed.check_unwritten()
    for piece in pieces:
        piece.text.check(piece.ids)
    library, n_threads = packed.library, torch.get_num_threads()
    spans = library.ffi.new("Span[]", len(pieces))
    for span, piece in zip(spans, pieces, strict=True):
        _fill_span(packed, span, piece)
    ids = torch.tensor([token_id for piece in pieces for token_id in piece.ids], dtype=torch.int64)
    hidden = torch.empty(len(ids), packed.emb_dim)
    logits = torch.empty(sum(piece.wants_logits for piece in pieces), in_panels(packed.vocab_size))
    memory = room.at_least(library.c.room_for_rows(packed.structure, spans, len(pieces), n_threads))
    where = (
        library.pointer(each, kind) for each, kind in ((ids, "int64_t *"), (hidden, "float *"), (logits, "float *"))
    )
    library.c.read_rows(packed.structure, spans, len(pieces), *where, library.pointer(memory), n_threads)
    for piece in pieces:
        piece.text.length += len(piece.ids)
    return _results(pieces, hidden, logits[:, : packed.vocab_size])


def _fill_span(packed: PackedModel, span: Any, piece: Piece) -> None:
    text = piece.text
    span.cache.keys, span.cache.values = map(packed.library.pointer, (text.keys, text.values))
    span.cache.capacity = text.values.shape[3]
    span.position, span.n_rows, span.wants_logits = text.length, len(piece.ids), piece.wants_logits


def _results(pieces: Sequence[Piece], hidden: Tensor, logits: Tensor) -> list[tuple[Tensor, Tensor | None]]:
    found: list[tuple[Tensor, Tensor | None]] = []
    rows, wanted = iter(hidden.split([len(piece.ids) for piece in pieces])), iter(logits)
    for piece in pieces:
        # Copies where several texts share a tensor: a kept row would keep everybody's.
        own = next(rows) if len(pieces) == 1 else next(rows).clone()
        scores = next(wanted) if piece.wants_logits else None
        found.append((own, scores))
    return found


def head_logits(packed: PackedModel, hidden: Tensor) -> Tensor:
    """Logits (n, v) of final hidden vectors (n, d), the same bits as those of the pass that made them.

    Raises ValueError for vectors of another length.
    """
    if hidden.shape[1:] != (packed.emb_dim,):
        raise ValueError(f"hidden has the shape {tuple(hidden.shape)}: vectors of {packed.emb_dim} numbers are needed.")
    library, linear = packed.library, packed.library.ffi.addressof(packed.structure, "out_head")
    x = hidden.detach().to("cpu", torch.float32).contiguous()
    y = torch.empty(len(x), in_panels(packed.vocab_size))
    if not len(x):
        return y[:, : packed.vocab_size]
    memory = Room().at_least(library.c.room_to_multiply(linear, len(x)))
    where = library.pointer(x, "float *"), len(x), library.pointer(y, "float *"), library.pointer(memory)
    library.c.multiply(linear, *where, torch.get_num_threads())
    return y[:, : packed.vocab_size]

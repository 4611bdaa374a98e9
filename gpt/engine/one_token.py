"""The engine beside GPTModel's own cache: one more token after those that a `gpt.cache.KVCache` holds.

For whoever keeps a KVCache; what writes texts uses `text_reader`, which keeps keys and values as they are read.
"""

from collections.abc import Callable

from torch import Tensor

from ..cache import KVCache
from ..model import GPTModel
from .compiled_pass import Piece, Room, Text, check_ids, read_pieces
from .packed_model import PackedModel, packed_model
from .panel_layout import PANEL

ReadOne = Callable[[int, KVCache], Tensor]  # a token id, and the cache it continues -> (1, d)


def one_token_reader(model: GPTModel) -> ReadOne | None:
    """A function that gives model.hidden's vector for one token after those in a cache of batch size 1, no dropout.

    None without the compiled library, and for a model that was altered or is watched. The function raises ValueError
    for a full cache, for one of another shape, and for what is no id of the model.
    """
    packed = packed_model(model)
    if packed is None:
        return None
    room = Room()

    def read(token_id: int, cache: KVCache) -> Tensor:
        _check_shape(packed, cache)
        text = Text(packed, cache.capacity)
        check_ids([token_id], packed.n_ids, cache.length, text.capacity)
        _copy_in(text, cache)
        ((hidden, _),) = read_pieces(packed, [Piece(text, [token_id], False)], room)
        _copy_out(cache, text)
        cache.advance(1)
        return hidden

    return read


def _check_shape(packed: PackedModel, cache: KVCache) -> None:
    needed = packed.n_layers, 1, packed.n_heads, cache.capacity, packed.head_dim
    found = tuple(cache.keys.shape)
    if found != needed or cache.values.shape != cache.keys.shape or cache.length < 0:
        raise ValueError(f"The cache has the shape {found}: this model continues one text in a cache of {needed}.")


def _copy_in(text: Text, cache: KVCache) -> None:
    length = text.length = cache.length
    n_panels = text.keys.shape[2]
    keys = text.keys.new_zeros(*text.keys.shape[:2], n_panels * PANEL, text.keys.shape[3])
    keys[:, :, :length] = cache.keys[:, 0, :, :length]
    text.keys.copy_(keys.unflatten(2, (n_panels, PANEL)).transpose(3, 4))
    values = text.values.new_zeros(*text.values.shape[:2], text.values.shape[3], text.values.shape[2] * PANEL)
    values[:, :, :length, : cache.values.shape[-1]] = cache.values[:, 0, :, :length]
    text.values.copy_(values.unflatten(3, (-1, PANEL)).transpose(2, 3))


def _copy_out(cache: KVCache, text: Text) -> None:
    """The keys and values of the token read last."""
    position = cache.length
    cache.keys[:, 0, :, position] = text.keys[:, :, position // PANEL, :, position % PANEL].to(cache.keys.dtype)
    values = text.values[:, :, :, position].flatten(2)[:, :, : cache.values.shape[-1]]
    cache.values[:, 0, :, position] = values.to(cache.values.dtype)

"""The forward pass for one more token in compiled code: what GPTModel.hidden computes, several times as fast.

A token's time is spent on waiting for weights; Python's way from one torch operation to the next would add to it.
"""

from collections.abc import Callable
from ctypes import byref

import torch
from torch import Tensor, nn

from . import compiled
from .cache import KVCache
from .model import GELU, FeedForward, GPTModel, LayerNorm, MultiHeadAttention, TransformerBlock
from .precision import Float32Linear, PackedLinear, PackedQKV

ReadOne = Callable[[int, KVCache], Tensor]  # a token id, and the cache it continues -> (1, d)

# What a model is made of when it computes what one_token.c computes.
_KNOWN = {GPTModel, TransformerBlock, MultiHeadAttention, FeedForward, LayerNorm, GELU}
_KNOWN |= {Float32Linear, PackedLinear, PackedQKV, nn.Linear, nn.Embedding, nn.Dropout, nn.ModuleList, nn.Sequential}


# one_token.c keeps a token's vectors on the stack, of which a thread has half a megabyte on some systems.
_STACK = 2**16


class _Unreadable(Exception):
    """A tensor that lies in memory in a way one_token.c does not know."""


def one_token_reader(model: GPTModel) -> ReadOne | None:
    """A function that gives model.hidden's vector for one token after those in a cache of batch size 1, no dropout.

    None without a compiler, for a model too large for its stack, and for one that was altered or is watched: only its
    own modules know what it computes.
    """
    library = compiled.compiled_library()
    if (
        library is None
        or _numbers_on_stack(model) > _STACK
        or not all(_is_as_made(module) for module in model.modules())
    ):
        return None
    try:
        handed_over = _model(model)
    except _Unreadable:
        return None

    sums = compiled.room_for_sums(4 * model.config.emb_dim)

    def read(token_id: int, cache: KVCache) -> Tensor:
        hidden = torch.empty(1, model.config.emb_dim)
        where = byref(handed_over), byref(_cache(cache))
        library.read_token(*where, token_id, hidden.data_ptr(), sums.data_ptr(), torch.get_num_threads())
        cache.advance(1)
        return hidden

    return read


def _numbers_on_stack(model: GPTModel) -> int:
    return 14 * model.config.emb_dim + model.config.context_length


def _is_as_made(module: nn.Module) -> bool:
    watched = module._forward_hooks or module._forward_pre_hooks
    return type(module) in _KNOWN and not watched


def _model(model: GPTModel) -> compiled.GPTModel:
    config = model.config
    blocks = [_block(block) for block in model.trf_blocks if isinstance(block, TransformerBlock)]
    return compiled.GPTModel(
        tok_emb=_numbers(model.tok_emb.weight),
        pos_emb=_numbers(model.pos_emb.weight),
        trf_blocks=(compiled.TransformerBlock * len(blocks))(*blocks),
        final_norm=_norm(model.final_norm),
        n_layers=len(blocks),
        n_heads=config.n_heads,
        d=config.emb_dim,
        eps=LayerNorm.eps,
    )


def _block(block: TransformerBlock) -> compiled.TransformerBlock:
    widen, _, narrow = block.ff.layers
    layers = map(_linear, (block.att.W_qkv, block.att.out_proj, widen, narrow))
    return compiled.TransformerBlock(_norm(block.norm1), _norm(block.norm2), *layers)


def _linear(layer: nn.Module) -> compiled.Linear:
    handed_over = None
    if isinstance(layer, Float32Linear | PackedLinear):
        handed_over = layer.handed_over()
    elif isinstance(layer, nn.Linear):
        handed_over = compiled.linear(layer.weight, layer.bias)
    if handed_over is None:
        raise _Unreadable
    return handed_over


def _norm(norm: LayerNorm) -> compiled.LayerNorm:
    return compiled.LayerNorm(_numbers(norm.scale), _numbers(norm.shift))


def _numbers(tensor: Tensor) -> int:
    if not compiled.readable(tensor):
        raise _Unreadable
    return tensor.data_ptr()


def _cache(cache: KVCache) -> compiled.KVCache:
    is_bfloat16 = cache.keys.dtype is torch.bfloat16
    return compiled.KVCache(cache.keys.data_ptr(), cache.values.data_ptr(), cache.capacity, cache.length, is_bfloat16)

"""The forward pass for one more token, written flat: what GPTModel.hidden computes, without a call per module.

The kernels for a single row are so quick that Python's way from module to module would cost a sixth of a token.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cache import KVCache
from .model import GELU, FeedForward, GPTModel, LayerNorm, MultiHeadAttention, TransformerBlock
from .precision import Float32Linear, PackedLinear

ReadOne = Callable[[int, KVCache], Tensor]  # a token id, and the cache it continues -> (1, d)

# What a model is made of when it computes what this module computes.
_KNOWN = {GPTModel, TransformerBlock, MultiHeadAttention, FeedForward, LayerNorm, GELU, Float32Linear, PackedLinear}
_KNOWN |= {nn.Linear, nn.Embedding, nn.Dropout, nn.ModuleList, nn.Sequential}


def one_token_reader(model: GPTModel) -> ReadOne | None:
    """A function that gives model.hidden's vector for one token after those in a cache of batch size 1.

    None for a model that trains, was altered or is watched: there only its own modules know what it computes.
    """
    if not all(_is_as_made(module) for module in model.modules()):
        return None
    blocks = [_steps(block) for block in model.trf_blocks if isinstance(block, TransformerBlock)]
    final_norm = model.final_norm.forward
    tokens, positions = model.tok_emb.weight, model.pos_emb.weight
    heads = (1, 3, model.config.n_heads, 1, model.config.head_dim)

    @torch.inference_mode()
    def read(token_id: int, cache: KVCache) -> Tensor:
        x = (tokens[token_id] + positions[cache.length])[None]  # (1, d)
        for layer, (norm1, W_qkv, out_proj, norm2, widen, gelu, narrow) in enumerate(blocks):
            queries, keys, values = W_qkv(norm1(x)).view(heads).unbind(1)  # (1, h, 1, head_dim) each
            keys, values = cache.extend(layer, keys, values)  # (1, h, s, head_dim)
            context = F.scaled_dot_product_attention(queries, keys, values)
            x = x + out_proj(context.view(x.shape))
            x = x + narrow(gelu(widen(norm2(x))))
        cache.advance(1)
        return final_norm(x)

    return read


def _is_as_made(module: nn.Module) -> bool:
    watched = module._forward_hooks or module._forward_pre_hooks
    return type(module) in _KNOWN and not module.training and not watched


def _steps(block: TransformerBlock) -> list[Callable[[Tensor], Tensor]]:
    modules = (block.norm1, block.att.W_qkv, block.att.out_proj, block.norm2, *block.ff.layers)
    return [module.forward for module in modules]

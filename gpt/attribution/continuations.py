"""Texts that begin like one that was read before: only what follows in each is read, all of them in one pass.

Every layer but attention treats tokens one by one: what follows goes through it as the rows of one matrix, whatever
the length of each text. Only attention takes the texts apart, and sets the keys and values of their beginning in front.
Axes: n texts of one length, t tokens of each that are read, r rows of all of them, d emb_dim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ..cache import KVCache
from ..model import GPTModel, MultiHeadAttention, TransformerBlock, attention_weights
from .forward_pass import blocks_of


@dataclass(frozen=True, eq=False)
class Continuations:
    """n texts: the first `start` tokens of the one that was read, and then ids (n, t)."""

    start: int
    ids: Tensor


@torch.no_grad()
def last_hidden(model: GPTModel, read: KVCache, texts: Sequence[Continuations]) -> Tensor:
    """What the output head reads after the last token of each text: (n of all texts, d).

    read holds the keys and values of the text that they begin with. The model has to be in eval mode.
    """
    x = torch.cat([model.embed(each.ids, each.start).flatten(0, 1) for each in texts])  # (r, d)
    *earlier, last = blocks_of(model)
    for block in earlier:
        x = _leaving(block, x, _context(block, x, read, texts))
    # Behind the last block nothing looks at the other tokens again.
    x = _leaving(last, x[_last_rows(texts)], _context(last, x, read, texts, of_last_tokens=True))
    return cast(Tensor, model.final_norm(x))


def _context(
    block: TransformerBlock, x: Tensor, read: KVCache, texts: Sequence[Continuations], of_last_tokens: bool = False
) -> Tensor:
    """What the heads of a block give for the rows x (r, d) that enter it, or only for the last token of each text."""
    att = block.att
    parts = att.W_qkv(block.norm1(x)).split([each.ids.numel() for each in texts])
    return torch.cat([_mixed(att, part, read, each, of_last_tokens) for part, each in zip(parts, texts, strict=True)])


def _mixed(att: MultiHeadAttention, qkv: Tensor, read: KVCache, texts: Continuations, of_last_tokens: bool) -> Tensor:
    """The same for texts of one length: qkv (n t, 3d)."""
    queries, keys, values = att.split_heads(qkv.unflatten(0, texts.ids.shape))
    keys, values = (
        torch.cat([held[att.layer, :, :, : texts.start].expand(len(new), -1, -1, -1), new], 2)
        for held, new in ((read.keys, keys), (read.values, values))
    )
    weights = attention_weights(queries[:, :, -1:] if of_last_tokens else queries, keys, att.divisor)
    return (weights @ values).transpose(1, 2).flatten(2).flatten(0, 1)  # the heads side by side again


def _leaving(block: TransformerBlock, entering: Tensor, context: Tensor) -> Tensor:
    """What leaves a block, from what entered it and what its heads give, row by row."""
    x = entering + block.att.out_proj(context)
    return cast(Tensor, x + block.ff(block.norm2(x)))


def _last_rows(texts: Sequence[Continuations]) -> Tensor:
    """The row of each text's last token."""
    lengths = torch.cat([torch.full((len(each.ids),), each.ids.shape[1]) for each in texts])
    return lengths.cumsum(0) - 1

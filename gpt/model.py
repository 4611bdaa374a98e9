"""The GPT-2 architecture of chapter 4, class by class, in the chapter's order and under its names.

Source: Sebastian Raschka, Build a Large Language Model (From Scratch), chapter 4.
Axes: b batch, t tokens going in, s tokens attended to, d emb_dim, h heads, v vocab_size.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import pi, sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cache import KVCache
from .config import GPTConfig

if TYPE_CHECKING:
    from .tokenizer import Tokenizer


class _ThisThread(threading.local):
    is_watched = False


_this_thread = _ThisThread()


@contextmanager
def watched() -> Iterator[None]:
    """Inside, this thread runs the chapter's own lines, so that someone can look at what each of them makes."""
    before = _this_thread.is_watched
    _this_thread.is_watched = True
    try:
        yield
    finally:
        _this_thread.is_watched = before


def fused() -> bool:
    """Whether a step may be torch's single call for it: faster, and equal to the lines within 1e-5.

    This is the only place that decides it. It is so unless the pass is `watched`.
    """
    return not _this_thread.is_watched


class LayerNorm(nn.Module):
    """Section 4.2: (x - mean) / sqrt(var + eps) over the features, times scale, plus shift.

    The variance is the biased one (divided by d, not d - 1), as in GPT-2.
    """

    eps = 1e-5

    def __init__(self, emb_dim: int, eps: float = eps) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(emb_dim))
        self.shift = nn.Parameter(torch.zeros(emb_dim))

    def forward(self, x: Tensor) -> Tensor:  # (..., d) -> (..., d)
        if fused():
            return F.layer_norm(x, self.scale.shape, self.scale, self.shift, self.eps)
        mean = x.mean(dim=-1, keepdim=True)  # (..., 1)
        var = x.var(dim=-1, keepdim=True, unbiased=False)  # (..., 1)
        norm_x = (x - mean) / torch.sqrt(var + self.eps)
        return self.scale * norm_x + self.shift


class GELU(nn.Module):
    """Section 4.3: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the form GPT-2 was trained with."""

    def forward(self, x: Tensor) -> Tensor:
        if fused():
            return F.gelu(x, approximate="tanh")
        inner = sqrt(2 / pi) * (x + 0.044715 * x**3)
        tanh = torch.tanh(inner)  # from -1, for a very negative x, to 1
        return 0.5 * x * (1 + tanh)


class ExactGELU(nn.Module):
    """Section 4.3: x times the probability that a standard normal number is below x, which GELU approximates."""

    def forward(self, x: Tensor) -> Tensor:
        if fused():
            return F.gelu(x)
        erf = torch.erf(x / sqrt(2))  # from -1, for a very negative x, to 1
        return 0.5 * x * (1 + erf)


_ACTIVATIONS = {"gelu_tanh": GELU, "gelu": ExactGELU, "relu": nn.ReLU}


class FeedForward(nn.Module):
    """Section 4.3: each token on its own goes to four times the width, through GELU, and back."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.emb_dim, config.inner_width),
            _ACTIVATIONS[config.activation](),
            nn.Linear(config.inner_width, config.emb_dim),
        )

    def forward(self, x: Tensor) -> Tensor:  # (b, t, d) -> (b, t, d)
        expand, activation, contract = self.layers
        hidden = expand(x)  # (b, t, 4d)
        hidden = activation(hidden)
        contracted: Tensor = contract(hidden)  # (b, t, d)
        return contracted


def attention_weights(queries: Tensor, keys: Tensor, divisor: float | None = None) -> Tensor:
    """How much each token looks at itself and at each one before it.

    queries (..., t, head_dim) are the last t of the s positions of keys (..., s, head_dim). The scores are divided
    by divisor, sqrt(head_dim) when it is None. Returns (..., t, s); every row sums to 1.
    """
    scores = queries @ keys.transpose(-2, -1)  # (..., t, s)
    scores = scores / (sqrt(keys.shape[-1]) if divisor is None else divisor)
    t, s = scores.shape[-2:]
    mask = torch.ones(t, s, dtype=torch.bool, device=scores.device).triu(1 + s - t)  # True for tokens still to come
    scores = scores.masked_fill(mask, -torch.inf)
    return torch.softmax(scores, dim=-1)


class MultiHeadAttention(nn.Module):
    """Section 3.6: every head mixes the values of earlier tokens by how well their keys match its query."""

    def __init__(self, config: GPTConfig, layer: int = 0) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.layer = layer  # the block it belongs to, counted from 0: its place in a cache
        self.divisor = sqrt(config.head_dim) if config.scale_by_head_dim else 1.0  # of the scores
        if config.scale_by_layer:
            self.divisor *= layer + 1
        # The chapter's W_query, W_key and W_value, one below the other in one matrix.
        self.W_qkv = nn.Linear(config.emb_dim, 3 * config.emb_dim, bias=config.qkv_bias)
        self.out_proj = nn.Linear(config.emb_dim, config.emb_dim)
        self.dropout = nn.Dropout(config.drop_rates.attn)

    def split_heads(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The output of W_qkv (b, t, 3d) as queries, keys and values, each (b, h, t, head_dim)."""
        b, t, _ = qkv.shape
        queries, keys, values = qkv.view(b, t, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        return queries, keys, values

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:  # (b, t, d) -> (b, t, d)
        qkv = self.W_qkv(x)  # (b, t, 3d)
        queries, keys, values = self.split_heads(qkv)
        if cache is not None:
            keys, values = cache.extend(self.layer, keys, values)  # (b, h, s, head_dim)
        context = self._mix(queries, keys, values)  # (b, h, t, head_dim)
        context = context.transpose(1, 2).flatten(2)  # (b, t, d): the heads side by side again
        projected: Tensor = self.out_proj(context)
        return projected

    def _mix(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        # Torch's call would draw other dropout masks than the chapter's.
        draws_dropout = self.training and self.dropout.p > 0
        if fused() and not draws_dropout:
            return _fused_attention(queries, keys, values, self.divisor)
        weights = attention_weights(queries, keys, self.divisor)  # (b, h, t, s)
        weights = self.dropout(weights)
        context: Tensor = weights @ values  # (b, h, t, head_dim)
        return context


def _fused_attention(queries: Tensor, keys: Tensor, values: Tensor, divisor: float) -> Tensor:
    t, s = queries.shape[2], keys.shape[2]
    if t in (1, s):
        return F.scaled_dot_product_attention(queries, keys, values, is_causal=t > 1, scale=1 / divisor)
    past = torch.ones(t, s, dtype=torch.bool, device=queries.device).tril(s - t)
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=past, scale=1 / divisor)


class TransformerBlock(nn.Module):
    """Section 4.5: attention, then feed-forward, each behind a LayerNorm and beside a shortcut."""

    def __init__(self, config: GPTConfig, layer: int = 0) -> None:
        super().__init__()
        self.att = MultiHeadAttention(config, layer)
        self.ff = FeedForward(config)
        self.norm1 = LayerNorm(config.emb_dim, config.norm_eps)
        self.norm2 = LayerNorm(config.emb_dim, config.norm_eps)
        self.drop_shortcut = nn.Dropout(config.drop_rates.shortcut)

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:  # (b, t, d) -> (b, t, d)
        shortcut = x
        x = self.norm1(x)
        x = self.att(x, cache)
        x = self.drop_shortcut(x)
        x = x + shortcut

        shortcut = x
        x = self.norm2(x)
        x = self.ff(x)
        x = self.drop_shortcut(x)
        return x + shortcut


class GPTModel(nn.Module):
    """Section 4.6: embeddings, a stack of transformer blocks, a last norm, and a head over the vocabulary."""

    precision = "float32"  # how the Linear layers are kept and multiplied: gpt.engine.precision
    notes: tuple[str, ...] = ()  # what gpt.files had to assume about the file the weights came from
    tokenizer: "Tokenizer | None" = None  # what turns text into its ids; None where only ids are known

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        # Modules are made in the chapter's order: it decides which random numbers each weight gets.
        self.tok_emb = nn.Embedding(config.vocab_size, config.emb_dim)
        self.pos_emb = nn.Embedding(config.context_length, config.emb_dim)
        self.drop_emb = nn.Dropout(config.drop_rates.emb)
        self.trf_blocks = nn.ModuleList(TransformerBlock(config, layer) for layer in range(config.n_layers))
        self.final_norm = LayerNorm(config.emb_dim, config.norm_eps)
        if config.tied_head:
            self.out_head = nn.Linear(config.emb_dim, config.vocab_size, bias=False, device="meta")
            self.out_head.weight = self.tok_emb.weight
        else:
            self.out_head = nn.Linear(config.emb_dim, config.vocab_size, bias=False)

    def embed(self, ids: Tensor, start: int = 0) -> Tensor:
        """What enters the first block: ids (b, t) int64, the first of them at position start -> (b, t, d)."""
        positions = torch.arange(start, start + ids.shape[1], device=ids.device)
        tok_embeds = self.tok_emb(ids)  # (b, t, d)
        pos_embeds = self.pos_emb(positions)  # (t, d)
        x = tok_embeds + pos_embeds
        embedded: Tensor = self.drop_emb(x)
        return embedded

    def hidden(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """The vectors the output head reads: ids (b, t) int64 -> (b, t, d).

        With a cache, ids continue the tokens it holds. Raises ValueError past context_length and past the cache's end,
        and IndexError, as torch does, for an id that the vocabulary lacks.
        """
        start = 0 if cache is None else cache.length
        t = ids.shape[1]
        if start + t > self.config.context_length:
            raise ValueError(f"{start + t} tokens do not fit this model's context of {self.config.context_length}.")
        x = self.embed(ids, start)
        for block in self.trf_blocks:
            x = block(x, cache)
        if cache is not None:
            cache.advance(t)
        normed: Tensor = self.final_norm(x)
        return normed

    def forward(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """Logits: ids (b, t) int64 -> (b, t, v), for each position the scores of the token that follows."""
        x = self.hidden(ids, cache)
        logits: Tensor = self.out_head(x)
        return logits

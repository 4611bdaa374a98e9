"""The GPT-2 architecture of chapter 4, class by class, in the chapter's order and under its names.

Source: Sebastian Raschka, Build a Large Language Model (From Scratch), chapter 4.
Axes: b batch, t tokens going in, s tokens attended to, d emb_dim, h heads, v vocab_size.
"""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cache import KVCache
from .config import GPTConfig


class LayerNorm(nn.Module):
    """Section 4.2: (x - mean) / sqrt(var + eps) over the features, times scale, plus shift.

    The variance is the biased one (divided by d, not d - 1), as in GPT-2.
    """

    eps = 1e-5

    def __init__(self, emb_dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(emb_dim))
        self.shift = nn.Parameter(torch.zeros(emb_dim))

    def forward(self, x: Tensor) -> Tensor:  # (..., d) -> (..., d)
        return F.layer_norm(x, self.scale.shape, self.scale, self.shift, self.eps)


class GELU(nn.Module):
    """Section 4.3: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the form GPT-2 was trained with."""

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x, approximate="tanh")


class FeedForward(nn.Module):
    """Section 4.3: each token on its own goes to four times the width, through GELU, and back."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.emb_dim, 4 * config.emb_dim),
            GELU(),
            nn.Linear(4 * config.emb_dim, config.emb_dim),
        )

    def forward(self, x: Tensor) -> Tensor:  # (b, t, d) -> (b, t, d)
        return self.layers(x)


def attention_weights(queries: Tensor, keys: Tensor) -> Tensor:
    """How much each token looks at itself and at each one before it.

    queries (..., t, head_dim) are the last t of the s positions of keys (..., s, head_dim).
    Returns (..., t, s); every row sums to 1.
    """
    scores = queries @ keys.transpose(-2, -1) / sqrt(keys.shape[-1])
    t, s = scores.shape[-2:]
    future = torch.ones(t, s, dtype=torch.bool, device=scores.device).triu(1 + s - t)
    return scores.masked_fill(future, -torch.inf).softmax(-1)


class MultiHeadAttention(nn.Module):
    """Section 3.6: every head mixes the values of earlier tokens by how well their keys match its query."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        # The chapter's W_query, W_key and W_value, one below the other in one matrix.
        self.W_qkv = nn.Linear(config.emb_dim, 3 * config.emb_dim, bias=config.qkv_bias)
        self.out_proj = nn.Linear(config.emb_dim, config.emb_dim)
        self.dropout = nn.Dropout(config.drop_rate)

    def split_heads(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The output of W_qkv (b, t, 3d) as queries, keys and values, each (b, h, t, head_dim)."""
        b, t, _ = qkv.shape
        queries, keys, values = qkv.view(b, t, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        return queries, keys, values

    def forward(self, x: Tensor, cache: KVCache | None = None, layer: int = 0) -> Tensor:  # (b, t, d) -> (b, t, d)
        queries, keys, values = self.split_heads(self.W_qkv(x))
        if cache is not None:
            keys, values = cache.extend(layer, keys, values)  # (b, h, s, head_dim)
        context = self._mix(queries, keys, values)  # (b, h, t, head_dim)
        return self.out_proj(context.transpose(1, 2).flatten(2))

    def _mix(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        t, s = queries.shape[2], keys.shape[2]
        if self.training and self.dropout.p > 0:
            # The explicit form draws the chapter's dropout masks; the fused kernel would draw others.
            return self.dropout(attention_weights(queries, keys)) @ values
        if t in (1, s):
            return F.scaled_dot_product_attention(queries, keys, values, is_causal=t > 1)
        past = torch.ones(t, s, dtype=torch.bool, device=queries.device).tril(s - t)
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=past)


class TransformerBlock(nn.Module):
    """Section 4.5: attention, then feed-forward, each behind a LayerNorm and beside a shortcut."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.att = MultiHeadAttention(config)
        self.ff = FeedForward(config)
        self.norm1 = LayerNorm(config.emb_dim)
        self.norm2 = LayerNorm(config.emb_dim)
        self.drop_shortcut = nn.Dropout(config.drop_rate)

    def forward(self, x: Tensor, cache: KVCache | None = None, layer: int = 0) -> Tensor:  # (b, t, d) -> (b, t, d)
        x = x + self.drop_shortcut(self.att(self.norm1(x), cache, layer))
        return x + self.drop_shortcut(self.ff(self.norm2(x)))


class GPTModel(nn.Module):
    """Section 4.6: embeddings, a stack of transformer blocks, a last norm, and a head over the vocabulary."""

    precision = "float32"  # how the Linear layers are kept and multiplied: gpt.precision
    notes: tuple[str, ...] = ()  # what gpt.weights had to assume about the file the weights came from

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        # Modules are made in the chapter's order: it decides which random numbers each weight gets.
        self.tok_emb = nn.Embedding(config.vocab_size, config.emb_dim)
        self.pos_emb = nn.Embedding(config.context_length, config.emb_dim)
        self.drop_emb = nn.Dropout(config.drop_rate)
        self.trf_blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.n_layers))
        self.final_norm = LayerNorm(config.emb_dim)
        if config.tied_head:
            self.out_head = nn.Linear(config.emb_dim, config.vocab_size, bias=False, device="meta")
            self.out_head.weight = self.tok_emb.weight
        else:
            self.out_head = nn.Linear(config.emb_dim, config.vocab_size, bias=False)

    def hidden(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """The vectors the output head reads: ids (b, t) int64 -> (b, t, d).

        With a cache, ids continue the tokens it holds. Raises ValueError past context_length.
        """
        start = 0 if cache is None else cache.length
        t = ids.shape[1]
        if start + t > self.config.context_length:
            raise ValueError(f"{start + t} tokens do not fit this model's context of {self.config.context_length}.")
        positions = torch.arange(start, start + t, device=ids.device)
        x = self.drop_emb(self.tok_emb(ids) + self.pos_emb(positions))
        for layer, block in enumerate(self.trf_blocks):
            x = block(x, cache, layer)
        if cache is not None:
            cache.advance(t)
        return self.final_norm(x)

    def forward(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """Logits: ids (b, t) int64 -> (b, t, v), for each position the scores of the token that follows."""
        return self.out_head(self.hidden(ids, cache))

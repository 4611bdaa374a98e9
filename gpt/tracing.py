"""What a GPTModel computes on the way: every norm, attention map and residual vector of one forward pass.

The model is read from outside, by hooks on a copy of its structure, so the pass is the model's own.
Axes: t tokens read, s tokens attended to, d emb_dim, h heads, v vocab_size, L n_layers.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cache import KVCache
from .engine.precision import unpacked
from .generation import checked_ids
from .model import GPTModel, LayerNorm, TransformerBlock, attention_weights

NORM_NAMES = ("norm1", "norm2", "final_norm")

# Tokens opened at a time in a long text: what a screen can show and a small machine can hold.
WINDOW = 128

# Rows the lens reads at a time: many share one pass over the head's weights, few keep the logits small.
_LENS_ROWS = 256

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class NormTrace:
    """What went into one LayerNorm and what came out of it, (t, d) each."""

    before: Tensor
    after: Tensor  # normalized * scale + shift
    eps: float  # what the norm adds to the variance

    @property
    def normalized(self) -> Tensor:
        """before with mean 0 and variance 1 in every row, ahead of scale and shift: (t, d)."""
        return F.layer_norm(self.before, self.before.shape[-1:], eps=self.eps)


@dataclass(frozen=True, eq=False)
class BlockTrace:
    """One block: its norms, queries (h, t, head_dim) and keys (h, s, head_dim), what it adds, and what leaves it."""

    norm1: NormTrace
    norm2: NormTrace
    queries: Tensor
    keys: Tensor
    divisor: float  # of the attention scores
    heads: Tensor  # (h, t, head_dim), each head's output: a slice of what the output projection reads
    feed_forward: Tensor  # (t, d), what the feed-forward adds to the stream
    residual: Tensor  # (t, d)

    @property
    def attention(self) -> Tensor:
        """How much each token (row) looks at each token (column), per head: (h, t, s), rows sum to 1."""
        return attention_weights(self.queries, self.keys, self.divisor)


@dataclass(frozen=True, eq=False)
class Trace:
    """One forward pass over `ids`, opened."""

    ids: tuple[int, ...]
    start: int  # the position of the first of them
    blocks: tuple[BlockTrace, ...]
    final_norm: NormTrace

    @property
    def norms(self) -> tuple[NormTrace, ...]:
        """All 2L + 1 norms in the order the data meets them."""
        return (*(norm for block in self.blocks for norm in (block.norm1, block.norm2)), self.final_norm)

    @property
    def stream(self) -> Tensor:
        """The residual stream (2L + 1, t, d): the embeddings, then the sum after every attention and feed-forward."""
        return torch.stack([norm.before for norm in self.norms])

    def norm(self, block: int, name: str) -> NormTrace:
        """One norm by its place; `block` does not matter for "final_norm". Raises ValueError when there is none."""
        if name not in NORM_NAMES:
            raise ValueError(f"There is no norm called {name!r}: choose one of {', '.join(NORM_NAMES)}.")
        if name == "final_norm":
            return self.final_norm
        if not 0 <= block < len(self.blocks):
            raise ValueError(f"block is {block}: this model's blocks run from 0 to {len(self.blocks) - 1}.")
        return self.blocks[block].norm1 if name == "norm1" else self.blocks[block].norm2


@dataclass(frozen=True, eq=False)
class Lens:
    """What the output head makes of the residual stream at every depth: first the embeddings, last the model."""

    top_ids: Tensor  # (2L + 1, t, n) int64, likeliest first
    top_probabilities: Tensor  # (2L + 1, t, n), softmax over the whole vocabulary
    answers: Tensor  # (t,) int64, the token each position ends up ranking first
    answer_rank: Tensor  # (2L + 1, t) int64, 1 is the likeliest
    answer_probability: Tensor  # (2L + 1, t)


@torch.no_grad()
def trace(model: GPTModel, ids: Sequence[int] | Tensor, cache: KVCache | None = None) -> Trace:
    """Run ids (a list, (t,) or (1, t)) through the model without dropout and keep what its norms and heads saw.

    With a cache, ids continue the tokens it holds. The model itself is not touched: others may be using it.
    Raises ValueError for ids that are not the model's, and for more tokens than its context.
    """
    listed = checked_ids(model, ids)
    watched = structural_copy(model).eval()
    layers = cast(list[TransformerBlock], list(watched.trf_blocks))
    norms = [*(norm for block in layers for norm in (block.norm1, block.norm2)), watched.final_norm]
    around_norms = [_watch(norm) for norm in norms]
    projections = [_watch(block.att.W_qkv) for block in layers]
    contexts = [_watch(block.att.out_proj) for block in layers]
    feed_forwards = [_watch(block.ff) for block in layers]
    start = 0 if cache is None else cache.length
    watched.hidden(torch.tensor([listed]), cache)

    # A network without its norms has the identity in their place.
    seen = [
        NormTrace(before, after, getattr(norm, "eps", LayerNorm.eps))
        for norm, (before, after) in zip(norms, around_norms, strict=True)
    ]
    blocks = []
    for layer, block in enumerate(layers):
        queries, keys, _ = block.att.split_heads(projections[layer][1][None])
        if cache is not None:
            keys = cache.keys[layer, :, :, : cache.length].clone()  # later passes may write there
        norm1, norm2, following = seen[2 * layer : 2 * layer + 3]
        heads = contexts[layer][0].unflatten(-1, (block.att.n_heads, -1)).transpose(0, 1)
        added = feed_forwards[layer][1]
        divisor = block.att.divisor
        blocks.append(BlockTrace(norm1, norm2, queries[0], keys[0], divisor, heads, added, following.before))
    return Trace(tuple(listed), start, tuple(blocks), seen[-1])


@dataclass(frozen=True)
class Window:
    """Which tokens of a text are opened, start to stop, and the first one the model reads to compute them."""

    first_read: int
    start: int
    stop: int


def window_around(index: int, n_tokens: int, context_length: int) -> Window:
    """The stretch of at most WINDOW tokens that holds token `index`, read with all the context there is before it."""
    width = min(WINDOW, context_length)
    start = index // width * width
    stop = min(start + width, n_tokens)
    return Window(max(0, stop - context_length), start, stop)


@torch.no_grad()
def trace_window(model: GPTModel, ids: Sequence[int], window: Window) -> Trace:
    """The trace of one window's tokens; those before it are only read, into a key-value cache."""
    cache = KVCache(model.config, window.stop - window.first_read)
    if window.start > window.first_read:
        model.hidden(torch.tensor([list(ids[window.first_read : window.start])]), cache)
    return trace(model, ids[window.start : window.stop], cache)


def structural_copy(module: Module) -> Module:
    """The same modules around the same tensors: to be hooked or altered while others use the original.

    Takes about a millisecond whatever the model's size; weights, also packed ones, are shared, never copied.
    """
    twin = copy.copy(module)
    for name, value in vars(module).items():
        if isinstance(value, dict):  # hooks, parameters, buffers and children: the twin needs its own lists of them
            twin.__dict__[name] = copy.copy(value)
    for name, child in module._modules.items():
        if child is not None:
            twin._modules[name] = structural_copy(child)
    return twin


def differentiable(module: Module) -> Module:
    """A structural copy in eval mode in which packed Linear layers are plain float32 ones."""
    twin = structural_copy(module).eval()
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            parent.set_submodule(name, unpacked(child))
    return twin


def mean_and_variance(x: Tensor) -> tuple[Tensor, Tensor]:
    """Over the features: mean (...) and biased variance (...) of x (..., d), as LayerNorm takes them."""
    variance, mean = torch.var_mean(x, dim=-1, correction=0)
    return mean, variance


def outlier_features(x: Tensor, most: int = 5, deviations: float = 3.0) -> list[int]:
    """Features that stand out in x (t, d): farther than so many deviations from the mean, on average over the tokens.

    At most `most`, the farthest first.
    """
    distance = F.layer_norm(x, x.shape[-1:], eps=LayerNorm.eps).abs().mean(0)
    farthest = distance.topk(min(most, len(distance)))
    return farthest.indices[farthest.values > deviations].tolist()


def stream_norms(stream: Tensor) -> tuple[Tensor, Tensor]:
    """Length of the residual stream (2L + 1, t, d) at every depth, (2L + 1, t), and of each step between, (2L, t)."""
    return stream.norm(dim=-1), stream.diff(dim=0).norm(dim=-1)


@torch.no_grad()
def logit_lens(model: GPTModel, stream: Tensor, n: int = 5) -> Lens:
    """Read the residual stream (2L + 1, t, d) as if the model ended at each depth: final norm, then output head.

    Idea: nostalgebraist, "interpreting GPT: the logit lens" (2020).
    """
    depths, t, _ = stream.shape
    answers = model.out_head(model.final_norm(stream[-1])).argmax(-1)
    rows = stream.flatten(0, 1).split(_LENS_ROWS)
    wanted = answers.repeat(depths).split(_LENS_ROWS)
    read = [_read_rows(model, x, answer, n) for x, answer in zip(rows, wanted, strict=True)]
    top_ids, top_probabilities, rank, probability = (
        torch.cat(parts).unflatten(0, (depths, t)) for parts in zip(*read, strict=True)
    )
    return Lens(top_ids, top_probabilities, answers, rank, probability)


def _read_rows(model: GPTModel, x: Tensor, answers: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of rows x (r, d): the n likeliest ids and their probabilities, then rank and probability of the answers (r,)."""
    logits = model.out_head(model.final_norm(x))
    score = logits.gather(1, answers[:, None])
    rank = 1 + (logits > score).sum(1)
    log_total = logits.logsumexp(1, keepdim=True)
    top = logits.topk(min(n, logits.shape[1]))
    return top.indices, (top.values - log_total).exp(), rank, (score - log_total).exp()[:, 0]


def _watch(module: nn.Module) -> list[Tensor]:
    """A list that will hold the module's input and output (t, d) of the next pass."""
    seen: list[Tensor] = []

    def keep(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        seen[:] = [args[0][0], output[0]]

    module.register_forward_hook(keep)
    return seen

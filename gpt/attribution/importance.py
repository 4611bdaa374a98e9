"""Which tokens of a text a prediction rests on, by three measures that need not agree.

Replacing a token tells what would have happened without it; gradient × input and attention are cheaper, and are often
taken for the same. Axes: t tokens, d emb_dim.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..cache import KVCache
from ..generation import checked_ids
from ..model import GPTModel
from ..tracing import Trace, structural_copy, trace
from .forward_pass import checked_token, last_logits, logits_after, logprob, stream_gradients

# What stands in for a token: ",", " the", " and", " he", " old", " went", " house", " never" in GPT-2's vocabulary.
# A smaller vocabulary takes the ids modulo its size.
REPLACEMENTS = (11, 262, 290, 339, 1468, 1816, 2156, 1239)


def occlusion(model: GPTModel, ids: Sequence[int] | Tensor, token_id: int) -> Tensor:
    """How much log p of token_id after ids falls when a token is replaced, (t,) in nats.

    The mean over REPLACEMENTS, without the token itself. Raises ValueError for ids that are not the model's, and for
    more than its context.
    """
    return torch.tensor(list(occlusion_by_token(model, ids, token_id)))


def occlusion_by_token(model: GPTModel, ids: Sequence[int] | Tensor, token_id: int, first: int = 0) -> Iterator[float]:
    """The same, token by token, from the token `first` on: each text is read again from its replaced token on."""
    checked_token(model, token_id)
    listed = checked_ids(model, ids)
    read = KVCache(model.config, len(listed))
    own = last_logits(model, trace(model, listed, read))
    return _falls(structural_copy(model).eval(), listed, token_id, first, read, logprob(own, token_id))


def gradient_times_input(model: GPTModel, traced: Trace, token_id: int) -> Tensor:
    """Each token's embedding times the gradient of log p of token_id after the trace, (t,) in nats."""
    checked_token(model, token_id)
    gradient = stream_gradients(model, traced, lambda logits: logits.log_softmax(-1)[token_id])[0]
    embeddings = model.tok_emb.weight.detach()[list(traced.ids)]
    return (gradient * embeddings).sum(-1)


def attention_from_last(traced: Trace) -> Tensor:
    """How much the last token looks at each token, averaged over all heads of all blocks: (s,)."""
    return torch.stack([block.attention[:, -1].mean(0) for block in traced.blocks]).mean(0)


def correlation(a: Tensor, b: Tensor) -> float | None:
    """Pearson's correlation of two lists of figures (n,); None when one of them does not vary."""
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    lengths = float(a.norm() * b.norm())
    return float(a @ b) / lengths if lengths else None


@torch.no_grad()
def _falls(model: GPTModel, ids: list[int], token_id: int, first: int, read: KVCache, own: Tensor) -> Iterator[float]:
    v = model.config.vocab_size
    for i, replaced in list(enumerate(ids))[first:]:
        others = sorted({token % v for token in REPLACEMENTS} - {replaced})
        if not others:  # a vocabulary of one token
            yield 0.0
            continue
        tails = torch.tensor([[other, *ids[i + 1 :]] for other in others])
        hidden = model.hidden(tails, _copies(model, read, i, len(others)))
        yield float((own - logprob(logits_after(model, hidden[:, -1]), token_id)).mean())


def _copies(model: GPTModel, read: KVCache, length: int, n: int) -> KVCache:
    """A cache that holds the first `length` tokens of another one n times, side by side."""
    copies = KVCache(model.config, read.capacity, n, read.keys.dtype)
    copies.keys[..., :length, :] = read.keys[..., :length, :]
    copies.values[..., :length, :] = read.values[..., :length, :]
    copies.advance(length)
    return copies

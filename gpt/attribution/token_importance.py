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
from .continuations import Continuations, last_hidden
from .forward_pass import checked_token, last_logits, logits_after, logprob, stream_gradients

# What stands in for a token: ",", " the", " and", " he", " old", " went", " house", " never" in GPT-2's vocabulary.
# A smaller vocabulary takes the ids modulo its size.
REPLACEMENTS = (11, 262, 290, 339, 1468, 1816, 2156, 1239)

# Tokens that are read in one pass. Every pass reads all weights: with few rows that takes longest. Stop waits for one.
_ROWS_AT_ONCE = 256


def occlusion(model: GPTModel, ids: Sequence[int] | Tensor, token_id: int) -> Tensor:
    """How much log p of token_id after ids falls when a token is replaced, (t,) in nats.

    The mean over REPLACEMENTS, without the token itself. Raises ValueError for ids that are not the model's, and for
    more than its context.
    """
    return torch.tensor(list(occlusion_by_token(model, ids, token_id)))


def occlusion_by_token(model: GPTModel, ids: Sequence[int] | Tensor, token_id: int, first: int = 0) -> Iterator[float]:
    """The same, token by token, from the token `first` on.

    The text is read once. One with a replaced token is read again from that token on, several of them in one pass.
    """
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
    if model.config.vocab_size == 1:  # nothing else can stand there
        yield from [0.0] * (len(ids) - first)
        return
    for places in _places_at_once(len(ids), first):
        texts = [_replaced(model, ids, place) for place in places]
        falls = own - logprob(logits_after(model, last_hidden(model, read, texts)), token_id)
        yield from (float(each.mean()) for each in falls.split([len(each.ids) for each in texts]))


def _replaced(model: GPTModel, ids: list[int], place: int) -> Continuations:
    """The text with each of the REPLACEMENTS at one place."""
    others = sorted({token % model.config.vocab_size for token in REPLACEMENTS} - {ids[place]})
    return Continuations(place, torch.tensor([[other, *ids[place + 1 :]] for other in others]))


def _places_at_once(n_tokens: int, first: int) -> Iterator[list[int]]:
    """The places from the first on, in groups of at most _ROWS_AT_ONCE rows to read; a group has at least one place."""
    group: list[int] = []
    rows = 0
    for place in range(first, n_tokens):
        added = len(REPLACEMENTS) * (n_tokens - place)
        if group and rows + added > _ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
        group.append(place)
        rows += added
    if group:
        yield group

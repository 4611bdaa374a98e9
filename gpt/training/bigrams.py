"""What counting pairs of tokens achieves: a loss that a model has to get below to have learned more than neighbours.

Bigrams interpolated with unigrams (Jelinek & Mercer 1980); the weight is the one under which each pair of the training
text is likeliest when it is itself left out of the counts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_WEIGHTS = [percent / 100 for percent in range(1, 100)]


@dataclass(frozen=True)
class Counts:
    """How often tokens and pairs of tokens occur in a text."""

    vocab_size: int
    n_tokens: int
    singles: Tensor  # (v,)
    firsts: Tensor  # (v,) how often each is the first of a pair
    pairs: Tensor  # (n,) the pairs that occur, as one number each, in order
    n_pairs: Tensor  # (n,)

    @classmethod
    def of(cls, ids: Tensor, vocab_size: int) -> "Counts":
        """Of a text (t,)."""
        pairs, n_pairs = (ids[:-1] * vocab_size + ids[1:]).unique(return_counts=True)
        singles, firsts = (torch.bincount(each, minlength=vocab_size) for each in (ids, ids[:-1]))
        return cls(vocab_size, len(ids), singles, firsts, pairs, n_pairs)

    def probabilities(self, before: Tensor, tokens: Tensor, weight: float, left_out: int = 0) -> Tensor:
        """Of tokens (n,) after those `before` (n,), with so many occurrences of each pair not counted."""
        wanted = before * self.vocab_size + tokens
        place = torch.searchsorted(self.pairs, wanted).clamp(max=len(self.pairs) - 1)
        counts = torch.where(self.pairs[place] == wanted, self.n_pairs[place], 0) - left_out
        by_pair = counts / (self.firsts[before] - left_out).clamp(min=1).double()
        # All tokens of the vocabulary share one occurrence more, so that none has the probability 0.
        by_token = (self.singles[tokens] - left_out + 1 / self.vocab_size).double() / (self.n_tokens - left_out + 1)
        return weight * by_pair + (1 - weight) * by_token


def bigram_loss(train_ids: Tensor, ids: Tensor, n_scored: int, vocab_size: int) -> float:
    """Mean cross-entropy in nats of the last n_scored of ids (t,), each predicted from the token before it alone."""
    counts = Counts.of(train_ids, vocab_size)
    before, after = counts.pairs // vocab_size, counts.pairs % vocab_size

    def likelihood(weight: float) -> float:
        return (counts.n_pairs * counts.probabilities(before, after, weight, left_out=1).log()).sum().item()

    weight = max(_WEIGHTS, key=likelihood)
    return -counts.probabilities(ids[:-1], ids[1:], weight)[-n_scored:].log().mean().item()

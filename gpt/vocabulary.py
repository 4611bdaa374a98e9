"""Training on the tokens a text uses instead of all 50,257, without changing what is learned.

Tokens that never occur share one embedding row: each still has its share of the softmax, and is pushed down.
"""

from dataclasses import dataclass, replace
from math import log

import torch
from torch import Tensor
from torch.nn import functional as F

from .model import GPTModel
from .tokenizer import VOCAB_SIZE

N_COMMON = 2048  # tokens that every step's softmax holds
N_SAMPLED = 1024  # of all the others, drawn anew at each step


@dataclass(frozen=True)
class TextVocabulary:
    """The tokens of one text, numbered by how common they are; number `len(ids)` stands for every other token."""

    ids: Tensor  # (n,) GPT-2's ids, commonest first
    counts: Tensor  # (n,) how often each occurs

    @classmethod
    def of(cls, token_ids: Tensor) -> "TextVocabulary":
        """The vocabulary of a text given as GPT-2 ids (t,)."""
        counts = torch.bincount(token_ids, minlength=VOCAB_SIZE)
        order = counts.argsort(descending=True, stable=True)[: int((counts > 0).sum())]
        return cls(order, counts[order])

    @property
    def size(self) -> int:
        """Rows of the embedding in training: the tokens that occur, and one for all the others."""
        return len(self.ids) + 1

    @property
    def n_unseen(self) -> int:
        """How many of GPT-2's tokens the text never uses."""
        return VOCAB_SIZE - len(self.ids)

    def number(self, token_ids: Tensor) -> Tensor:
        """GPT-2's ids as numbers of this vocabulary."""
        numbers = torch.full((VOCAB_SIZE,), len(self.ids))
        numbers[self.ids] = torch.arange(len(self.ids))
        return numbers[token_ids]

    def expand(self, model: GPTModel) -> GPTModel:
        """A model over this vocabulary as one over GPT-2's, giving the same probabilities; in eval mode."""
        whole = GPTModel(replace(model.config, vocab_size=VOCAB_SIZE))
        state = model.state_dict()
        rows = self.number(torch.arange(VOCAB_SIZE))
        state["tok_emb.weight"] = state["out_head.weight"] = state["tok_emb.weight"][rows]
        whole.load_state_dict(state)
        return whole.eval().requires_grad_(False)

    def loss(self, hidden: Tensor, targets: Tensor, embedding: Tensor) -> Tensor:
        """Mean cross-entropy in nats, estimated: hidden (n, d), targets (n,), embedding (size, d).

        Exact over the common tokens and over those that never occur. Of the rest it sees the target and a sample drawn
        by frequency, each draw weighed by 1 / its expected number (Bengio & Senécal 2003, importance sampling).
        """
        n_common = min(N_COMMON, len(self.ids))
        sampled, expected = self._draw(n_common)
        unseen = torch.tensor([len(self.ids)])
        columns = torch.cat([torch.arange(n_common), sampled, unseen])
        stands_for = torch.cat([torch.zeros(n_common), -expected.log(), torch.tensor([_log(self.n_unseen)])])
        logits = F.linear(hidden, F.embedding(columns, embedding)).float() + stands_for
        rare = targets >= n_common
        if not rare.any():
            return F.cross_entropy(logits, targets)
        # One more column: the row's own target where it is not among the common tokens.
        own = logits.new_full((len(targets),), -torch.inf)
        own = own.masked_scatter(rare, (hidden[rare] * F.embedding(targets[rare], embedding)).float().sum(-1))
        drawn = (columns == targets[:, None]) & rare[:, None]
        logits = torch.cat([logits.masked_fill(drawn, -torch.inf), own[:, None]], 1)
        return F.cross_entropy(logits, targets.masked_fill(rare, len(columns)))

    def _draw(self, n_common: int) -> tuple[Tensor, Tensor]:
        """Numbers of N_SAMPLED tokens beyond the common ones, and how often each was expected to be drawn."""
        counts = self.counts[n_common:].double()
        if len(counts) <= N_SAMPLED:
            return torch.arange(n_common, len(self.ids)), torch.ones(len(counts))
        # A quarter of the draws ignores frequency: tokens seen once must be pushed down too.
        shares = 0.75 * counts / counts.sum() + 0.25 / len(counts)
        sampled = shares.multinomial(N_SAMPLED, replacement=True)
        return sampled + n_common, (N_SAMPLED * shares[sampled]).float()


def _log(count: int) -> float:
    return log(count) if count else -torch.inf

"""Training on the tokens a text uses instead of the whole vocabulary, without changing what is learned.

Tokens that never occur share one embedding row: each still has its share of the softmax, and is made less probable.
"""

from dataclasses import dataclass, replace
from math import log

import torch
from torch import Tensor
from torch.nn import functional as F

from ..model import GPTModel
from ..tokenizer import VOCAB_SIZE

N_COMMON = 2048  # tokens that every step's softmax holds
N_SAMPLED = 1024  # of all the others, drawn anew at each step
_ROWS = ("tok_emb.weight", "out_head.weight")


@dataclass(frozen=True)
class TextVocabulary:
    """The tokens of one text, numbered by how common they are; number `len(ids)` stands for every other token.

    Its tensors stay on the CPU; the losses are computed where the hidden vectors are.
    """

    ids: Tensor  # (n,) the tokenizer's ids, commonest first
    counts: Tensor  # (n,) how often each occurs
    whole_size: int = VOCAB_SIZE  # how many ids the tokenizer has

    @classmethod
    def of(cls, token_ids: Tensor, whole_size: int = VOCAB_SIZE) -> "TextVocabulary":
        """The vocabulary of a text given as the tokenizer's ids (t,)."""
        counts = torch.bincount(token_ids, minlength=whole_size)
        order = counts.argsort(descending=True, stable=True)[: int((counts > 0).sum())]
        return cls(order, counts[order], whole_size)

    @classmethod
    def for_weights(cls, token_ids: Tensor, embedding: Tensor) -> "TextVocabulary":
        """The vocabulary in which a model with `embedding` (v, d) can go on to learn a text.

        Where the rows of the tokens that the text lacks differ, one row cannot stand for all of them: then every
        token is in the vocabulary.
        """
        of_text = cls.of(token_ids, len(embedding))
        absent = torch.ones(len(embedding), dtype=torch.bool)
        absent[of_text.ids] = False
        rows = embedding[absent]
        if len(rows) == 0 or torch.equal(rows, rows[:1].expand_as(rows)):
            return of_text
        counts = torch.bincount(token_ids, minlength=len(embedding))
        order = counts.argsort(descending=True, stable=True)
        return cls(order, counts[order], len(embedding))

    @property
    def size(self) -> int:
        """Rows of the embedding in training: the tokens that occur, and one for all the others."""
        return len(self.ids) + 1

    @property
    def n_unseen(self) -> int:
        """How many of the tokenizer's tokens the text never uses."""
        return self.whole_size - len(self.ids)

    def number(self, token_ids: Tensor) -> Tensor:
        """The tokenizer's ids as numbers of this vocabulary."""
        numbers = torch.full((self.whole_size,), len(self.ids))
        numbers[self.ids] = torch.arange(len(self.ids))
        return numbers[token_ids]

    def expand(self, model: GPTModel) -> GPTModel:
        """A model over this vocabulary as one over all ids, giving the same probabilities; in eval mode, on the CPU."""
        whole = GPTModel(replace(model.config, vocab_size=self.whole_size))
        rows = self.number(torch.arange(self.whole_size))
        state = {name: value.cpu() for name, value in model.state_dict().items()}
        whole.load_state_dict(state | {name: state[name][rows] for name in _ROWS})
        return whole.eval().requires_grad_(False)

    def restrict(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weights of a model over all ids as those of one over this vocabulary: the inverse of `expand`."""
        numbers = self.number(torch.arange(self.whole_size))
        # The last row stands for no token where all ids are in the vocabulary; any row will do, none reads it.
        one_unseen = int((numbers == len(self.ids)).int().argmax())
        rows = torch.cat([self.ids, torch.tensor([one_unseen])])
        return state | {name: state[name][rows] for name in _ROWS}

    def loss(self, hidden: Tensor, targets: Tensor, head: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean cross-entropy in nats, estimated: hidden (n, d), targets (n,), head (size, d).

        Exact over the common tokens and over those that never occur. Of the rest it sees the target and a sample drawn
        by frequency, each draw weighed by 1 / its expected number (Bengio & Senécal 2003, importance sampling).
        """
        n_common = min(N_COMMON, len(self.ids))
        columns, stands_for = (part.to(hidden.device) for part in self._columns(n_common, generator))
        logits = F.linear(hidden, F.embedding(columns, head)).float() + stands_for
        rare = targets >= n_common
        if not rare.any():
            return F.cross_entropy(logits, targets)
        # One more column: the row's own target where it is not among the common tokens.
        own = logits.new_full((len(targets),), -torch.inf)
        own = own.masked_scatter(rare, (hidden[rare] * F.embedding(targets[rare], head)).float().sum(-1))
        drawn = (columns == targets[:, None]) & rare[:, None]
        logits = torch.cat([logits.masked_fill(drawn, -torch.inf), own[:, None]], 1)
        return F.cross_entropy(logits, targets.masked_fill(rare, len(columns)))

    def exact_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The summed cross-entropy in nats over all ids: logits (n, size), targets (n,).

        Targets may be the number that stands for every token the text lacks.
        """
        unseen = logits[:, -1:] + _log(self.n_unseen)
        log_sums = torch.cat([logits[:, :-1], unseen], 1).logsumexp(-1)
        return (log_sums - logits.gather(1, targets[:, None])[:, 0]).sum()

    def _columns(self, n_common: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Numbers of the tokens in one step's softmax, and the logarithm of how many tokens each stands for."""
        sampled, expected = self._draw(n_common, generator)
        columns = torch.cat([torch.arange(n_common), sampled, torch.tensor([len(self.ids)])])
        return columns, torch.cat([torch.zeros(n_common), -expected.log(), torch.tensor([_log(self.n_unseen)])])

    def _draw(self, n_common: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Numbers of N_SAMPLED tokens beyond the common ones, and how often each was expected to be drawn."""
        counts = self.counts[n_common:].double()
        if len(counts) <= N_SAMPLED:
            return torch.arange(n_common, len(self.ids)), torch.ones(len(counts))
        # A quarter of the draws ignores frequency: rare tokens must be made less probable too.
        shares = 0.75 * counts / counts.sum().clamp(min=1) + 0.25 / len(counts)
        sampled = shares.multinomial(N_SAMPLED, replacement=True, generator=generator)
        return sampled + n_common, (N_SAMPLED * shares[sampled]).float()


def _log(count: int) -> float:
    return log(count) if count else -torch.inf

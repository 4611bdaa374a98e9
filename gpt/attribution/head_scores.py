"""What each attention head does, measured where it shows: on random tokens written twice.

Nothing can be learned from random tokens but that they come again, so a head that finds them again stands out.
Idea: Olsson et al., "In-context Learning and Induction Heads" (2022). Axes: L n_layers, h heads, t tokens.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..model import GPTModel
from ..seeding import LARGEST_WEIGHT_SEED
from ..tracing import trace
from .forward_pass import logits_after

COPY_LENGTH = 25  # random tokens in a sequence, before it is written a second time
N_SEQUENCES = 4
_N_LOWEST = 5000


@dataclass(frozen=True, eq=False)
class HeadScores:
    """Per head, (n_layers, n_heads): mean shares of attention, the entropy of its rows, and how far it looks back."""

    previous: Tensor  # share of attention on the token before
    first: Tensor  # on the first token
    same: Tensor  # on the token itself
    duplicate: Tensor  # in the second copy: on the same token in the first copy
    induction: Tensor  # in the second copy: on what followed the same token in the first copy
    entropy: Tensor  # bits
    distance: Tensor  # tokens
    sequences: tuple[tuple[int, ...], ...]  # the ids that were read, each sequence with its second copy
    losses: Tensor  # (t - 1,): mean surprise in nats at every token but the first

    @property
    def first_copy_loss(self) -> float:
        """Mean surprise in nats over the first copy's tokens, without its first."""
        return float(self.losses[: len(self.losses) // 2].mean())

    @property
    def second_copy_loss(self) -> float:
        """The same for the same tokens of the second copy: what induction saves."""
        return float(self.losses[len(self.losses) // 2 + 1 :].mean())


def head_scores(model: GPTModel, seed: int = 123) -> HeadScores:
    """Scores of every head over N_SEQUENCES random sequences of tokens that the model knows, each written twice.

    The seed draws the tokens, from 0 to LARGEST_WEIGHT_SEED. Raises ValueError for another one, and for a model whose
    context holds no two copies.
    """
    sequences = repeated_sequences(model, seed)
    scores, losses = [], []
    for ids in sequences:
        traced = trace(model, ids)
        scores.append(torch.stack([attention_scores(block.attention) for block in traced.blocks]))  # (L, 7, h)
        logits = logits_after(model, traced.final_norm.after[:-1])
        losses.append(F.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none"))
    previous, first, same, duplicate, induction, entropy, distance = torch.stack(scores).mean(0).unbind(1)
    return HeadScores(
        previous,
        first,
        same,
        duplicate,
        induction,
        entropy,
        distance,
        sequences=tuple(map(tuple, sequences)),
        losses=torch.stack(losses).mean(0),
    )


def known_ids(model: GPTModel) -> Tensor:
    """Tokens that a model knows: the 5,000 lowest ids whose embedding row is their own, (n,) in order.

    The bundled model's trainer gave one embedding row to all tokens that its text does not use. Low ids are common
    ones: a byte-pair vocabulary lists first what it found most often.
    """
    rows = np.ascontiguousarray(model.tok_emb.weight.detach().numpy())
    _, inverse, counts = np.unique(rows.view(f"V{rows[0].nbytes}").ravel(), return_inverse=True, return_counts=True)
    own = torch.from_numpy(counts[inverse] == 1).nonzero().flatten()
    return own[:_N_LOWEST]


def repeated_sequences(model: GPTModel, seed: int) -> list[list[int]]:
    """N_SEQUENCES lists of ids: different random known tokens, all of them a second time in the same order."""
    if not 0 <= seed <= LARGEST_WEIGHT_SEED:
        raise ValueError(f"seed is {seed}: choose a whole number from 0 to {LARGEST_WEIGHT_SEED:,}.")
    ids = known_ids(model)
    n = min(COPY_LENGTH, len(ids), model.config.context_length // 2)
    if n < 2:
        raise ValueError(
            f"This model knows {len(ids)} tokens and reads {model.config.context_length} at a time: the test for "
            f"induction needs 2 tokens, written twice."
        )
    generator = torch.Generator().manual_seed(seed)
    drawn = [ids[torch.randperm(len(ids), generator=generator)[:n]].tolist() for _ in range(N_SEQUENCES)]
    return [sequence * 2 for sequence in drawn]


def attention_scores(attention: Tensor) -> Tensor:
    """The seven scores, in the order of HeadScores, from attention (h, t, t) over a sequence written twice: (7, h)."""
    t = attention.shape[-1]
    n = t // 2
    back = torch.arange(t)[:, None] - torch.arange(t)
    return torch.stack(
        [
            attention.diagonal(-1, 1, 2).mean(-1),
            attention[:, 1:, 0].mean(-1),
            attention.diagonal(0, 1, 2).mean(-1),
            attention.diagonal(-n, 1, 2).mean(-1),
            attention[:, n:].diagonal(1, 1, 2).mean(-1),
            torch.special.entr(attention).sum(-1).mean(-1) / torch.log(torch.tensor(2.0)),
            (attention * back).sum(-1).mean(-1),
        ]
    )

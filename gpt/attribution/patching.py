"""Activation patching: one state of a pass over one prompt, put into the pass over another.

Where it brings back the answer of the first prompt, the state holds what the two prompts differ in.
Idea: Meng et al., "Locating and Editing Factual Associations in GPT" (2022); the estimate: Nanda, "Attribution
Patching" (2023). Axes: L n_layers, t tokens, d emb_dim, v vocab_size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..generation import checked_ids
from ..model import GPTModel
from ..tracing import Trace, structural_copy, trace
from .forward_pass import checked_rival, checked_token, entering, last_logits, logits_from, stream_gradients

# Two prompts whose logit differences are nearer than this say the same: shares of it would be noise.
SMALLEST_DIFFERENCE = 0.01

# Tokens of all patched copies of a text that are read at a time.
_TOKENS_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class PromptPair:
    """Two prompts of equal length, read, and their logit differences of one token and its rival."""

    model: GPTModel
    token_id: int
    rival_id: int
    traced_from: Trace
    traced_into: Trace

    @property
    def difference_from(self) -> float:
        """logit(token) - logit(rival) after the prompt that states are taken from."""
        return float(self.difference(last_logits(self.model, self.traced_from)))

    @property
    def difference_into(self) -> float:
        """The same after the prompt that they are put into."""
        return float(self.difference(last_logits(self.model, self.traced_into)))

    def difference(self, logits: Tensor) -> Tensor:
        """logit(token) - logit(rival) of logits (..., v), float64."""
        return logits[..., self.token_id].double() - logits[..., self.rival_id].double()


def prompt_pair(
    model: GPTModel,
    ids_from: Sequence[int] | Tensor,
    ids_into: Sequence[int] | Tensor,
    token_id: int,
    rival_id: int,
) -> PromptPair:
    """Read two prompts. Raises ValueError unless they have the same length and differ in what follows them."""
    listed_from, listed_into = checked_ids(model, ids_from), checked_ids(model, ids_into)
    checked_rival(model, checked_token(model, token_id), rival_id)
    if len(listed_from) != len(listed_into):
        raise ValueError(
            f"The prompts have {len(listed_from)} and {len(listed_into)} tokens: a state can be swapped only between "
            f"prompts of the same number of tokens."
        )
    pair = PromptPair(model, token_id, rival_id, trace(model, listed_from), trace(model, listed_into))
    if abs(pair.difference_from - pair.difference_into) < SMALLEST_DIFFERENCE:
        raise ValueError(
            f"The logit differences after the two prompts are {pair.difference_from:.4f} and "
            f"{pair.difference_into:.4f}: choose prompts, or tokens, for which they are at least "
            f"{SMALLEST_DIFFERENCE} apart."
        )
    return pair


def activation_patching(
    model: GPTModel,
    ids_from: Sequence[int] | Tensor,
    ids_into: Sequence[int] | Tensor,
    token_id: int,
    rival_id: int,
) -> Tensor:
    """The share of the logit difference that comes back: (n_layers, t), for the stream entering each block.

    Cell (l, i): the stream that enters block l at token i of ids_from, put into the pass over ids_into. 0 is as if
    nothing had been put in, 1 as if ids_from had been read. Raises ValueError for prompts of different lengths, and
    for prompts that hardly differ.
    """
    return torch.stack(list(patched_rows(prompt_pair(model, ids_from, ids_into, token_id, rival_id))))


@torch.no_grad()
def patched_rows(pair: PromptPair, first_block: int = 0) -> Iterator[Tensor]:
    """The rows (t,) of that grid, block by block; blocks before the patched one are not read again."""
    reader = structural_copy(pair.model).eval()
    states = list(enumerate(zip(entering(pair.traced_from), entering(pair.traced_into), strict=True)))
    for layer, (x_from, x_into) in states[first_block:]:
        differences = [pair.difference(logits_from(reader, layer, patched)) for patched in _patched(x_from, x_into)]
        yield _share(pair, torch.cat(differences) - pair.difference_into)


def estimated_patching(pair: PromptPair) -> Tensor:
    """An estimate of the whole grid (n_layers, t), to first order: what changes, times its gradient."""
    gradients = stream_gradients(pair.model, pair.traced_into, pair.difference)
    changes = torch.stack(entering(pair.traced_from)) - torch.stack(entering(pair.traced_into))
    return _share(pair, (gradients * changes).sum(-1))


def _patched(x_from: Tensor, x_into: Tensor) -> Iterator[Tensor]:
    """Copies of x_into (t, d), each with another of its rows taken from x_from: some (n, t, d) at a time, t in all."""
    t = len(x_into)
    for places in torch.arange(t).split(max(1, _TOKENS_AT_ONCE // t)):
        patched = x_into.repeat(len(places), 1, 1)
        patched[torch.arange(len(places)), places] = x_from[places]
        yield patched


def _share(pair: PromptPair, recovered: Tensor) -> Tensor:
    return (recovered / (pair.difference_from - pair.difference_into)).float()

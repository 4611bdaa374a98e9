"""Section 4.7: the chapter's generate_text_simple, one iteration at a time.

Axes: t tokens, v vocab_size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..generation import checked_ids
from ..model import GPTModel
from ..sampling import PLAIN_SOFTMAX, TokenTable, token_table


@dataclass(frozen=True)
class LoopStep:
    """One iteration of the loop in section 4.7: its input, its output, and the token it picked."""

    ids: tuple[int, ...]  # everything so far
    window: tuple[int, ...]  # the last context_length of them, which the model reads
    logits_shape: tuple[int, ...]  # (1, t, v), of which the last row is used
    table: TokenTable  # the likeliest tokens of that row: logit and softmax
    picked: int  # the likeliest of all

    @property
    def appended(self) -> tuple[int, ...]:
        """The ids that the next iteration starts with."""
        return (*self.ids, self.picked)


def slow_loop(model: GPTModel, ids: Sequence[int] | Tensor, max_new_tokens: int, n: int = 5) -> Iterator[LoopStep]:
    """The chapter's generate_text_simple, one iteration at a time: greedy, without a cache, every position read again.

    ids is a list, (t,) or (1, t); each step lists its n likeliest tokens. Raises ValueError at once for wrong ids.
    """
    return _iterations(model, tuple(checked_ids(model, ids)), max_new_tokens, n)


def _iterations(model: GPTModel, ids: tuple[int, ...], max_new_tokens: int, n: int) -> Iterator[LoopStep]:
    for _ in range(max_new_tokens):
        window = ids[-model.config.context_length :]
        with torch.no_grad():
            logits = model(torch.tensor([window])).float()
        table = token_table(logits[0, -1], PLAIN_SOFTMAX, n)
        step = LoopStep(ids, window, tuple(logits.shape), table, table.tokens[0].token_id)
        yield step
        ids = step.appended

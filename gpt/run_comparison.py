"""Two runs side by side: where their texts part, and how far one model's predictions lie from the other's.

Both read the text as `generate` reads it, each within its own context, over the whole vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log

from torch import Tensor

from .attribution.head_effects import kl_divergence
from .generation import Settings, logits_of, read_along
from .model import GPTModel
from .runs import Run, first_difference, logits_before
from .sampling import Scored, score


@dataclass(frozen=True)
class Compared:
    """What the two models gave the token at `position` of the first one's text, before any temperature."""

    position: int
    first: Scored
    second: Scored
    kl_bits: float  # D(first || second) of what could stand here: the sum of p log2(p / q)


def compared(first: GPTModel, run: Run, second: GPTModel) -> Iterator[Compared]:
    """Yield the comparison of each token of a run by the first model that both predicted.

    Raises ValueError at once where `same_tokens` is False.
    """
    if not same_tokens(first, second):
        raise ValueError("The two models have different vocabularies: their predictions are not of the same tokens.")
    return _compared(first, run, second)


def same_tokens(first: GPTModel, second: GPTModel) -> bool:
    """Whether an id is the same token of both models, so that their predictions can be compared."""
    mine, its = first.tokenizer, second.tokenizer
    if first.config.vocab_size != second.config.vocab_size:
        return False
    # Without a vocabulary of its own a model's tokens are its ids.
    return mine is its or (mine is not None and its is not None and mine.vocabulary.pieces == its.vocabulary.pieces)


def with_settings(run: Run, settings: Settings) -> Run:
    """The request of a run with other settings, for `written_again`: of a branch also that of what it came from."""
    parent = None if run.parent is None else with_settings(run.parent, settings)
    return replace(run, settings=settings, parent=parent)


def parting(first: Run, second: Run) -> int | None:
    """The position of the first token in which two texts of the same tokens differ, None where they do not.

    A text that ends earlier differs where the other goes on.
    """
    position = first_difference(first, second)
    return None if position == len(first.ids) == len(second.ids) else position


def _compared(first: GPTModel, run: Run, second: GPTModel) -> Iterator[Compared]:
    for position, vector in _before_each(second, run):
        mine = logits_before(first, run, position)
        if mine is None:
            continue
        its, token_id = logits_of(second, vector), run.ids[position]
        nats = float(kl_divergence(mine, its))
        yield Compared(position, score(mine, token_id), score(its, token_id), nats / log(2))


def _before_each(model: GPTModel, run: Run) -> Iterator[tuple[int, Tensor]]:
    """Each position that the model predicts, and the final hidden vector (d,) from which it does."""
    position = len(run.prompt_ids)
    for hidden in read_along(model, run.ids, position):
        first = position - len(hidden) + 1
        yield from enumerate(hidden, first)
        position += 1

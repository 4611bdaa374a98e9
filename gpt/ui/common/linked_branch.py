"""A branch in the address: which token it takes instead at which place, so that a link grows it again."""

from collections.abc import Iterator

from ...model import GPTModel
from ...runs import Run, branch
from .address_values import place_in

_LONGEST = 400  # characters in an address; of a branch of a branch, each is written again
_SHOWN = 30  # characters of one that cannot be read


def branch_text(run: Run | None) -> str:
    """A branch as POSITION.TOKEN, its position counted from 1; those it grew from before it, and "" for none."""
    if run is None or run.parent is None or run.parted_at is None:
        return ""
    here = f"{run.parted_at + 1}.{run.ids[run.parted_at]}"
    return ",".join(filter(None, (branch_text(run.parent), here)))


def branches_from(text: str) -> list[tuple[int, int]]:
    """Position, from 0, and token id of each branch of a text, one growing from the other.

    Raises ValueError for a text that names none.
    """
    try:
        if len(text) > _LONGEST:
            raise ValueError("It is too long.")
        found = [(place_in(position) - 1, place_in(token)) for position, token in _pairs(text)]
        if any(position < 0 for position, _ in found):
            raise ValueError("Tokens are counted from 1.")
    except ValueError:
        raise ValueError(
            f"The link's branch is {text[:_SHOWN]}: write the number of a token, a dot, and the id of the token that "
            "is taken there."
        ) from None
    return found


def grown_branches(model: GPTModel, run: Run, text: str) -> Iterator[Run]:
    """Yield the branches of a text, each from the one before and the first from the run, with each of their tokens.

    Raises ValueError as branches_from and `branch` do.
    """
    parent = run
    for position, token_id in branches_from(text):
        steps = branch(model, parent, position, token_id)
        for parent in steps:  # the next branch grows from the last step
            yield parent


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for each in text.split(","):
        position, _, token = each.partition(".")
        yield position, token

"""How long one request may take on this server."""

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TypeVar

from .number_format import counted

Item = TypeVar("Item")


def within(items: Iterable[Item], seconds: float | None) -> Iterator[Item]:
    """Items until that many seconds have passed, at least one; None is for ever."""
    started = monotonic()
    for item in items:
        yield item
        if seconds is not None and monotonic() - started >= seconds:
            return


def time_is_over(seconds: float) -> str:
    """The sentence for who reached the limit."""
    return f"This server gives one request {counted(seconds, 'second', 'g')}: this time is over."

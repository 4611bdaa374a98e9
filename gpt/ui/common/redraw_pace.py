"""How often something that grows is drawn again."""

from collections.abc import Iterable, Iterator
from threading import Event
from time import monotonic
from typing import TypeVar

# The page is redrawn at most this often: faster than the eye follows costs time and shows nothing.
REDRAW_SECONDS = 0.04

Item = TypeVar("Item")


def paced(items: Iterable[Item], stopped: Event) -> Iterator[tuple[Item, bool]]:
    """Items at a rate the eye can follow, until they end or `stopped` is set.

    Each comes with False, and the last one (again) with True. The wait counts from when the caller asks for more:
    otherwise a slow redraw would leave time for a single item.
    """
    latest: list[Item] = []
    drawn_at = 0.0
    for item in items:
        latest = [item]
        if stopped.is_set():
            break
        if monotonic() - drawn_at >= REDRAW_SECONDS:
            yield item, False
            drawn_at = monotonic()
    for item in latest:
        yield item, True

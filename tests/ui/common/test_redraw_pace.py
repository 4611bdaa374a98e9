"""How often something that grows is drawn again."""

from threading import Event

from hypothesis import given
from hypothesis import strategies as st

from gpt.ui.common import redraw_pace
from gpt.ui.common.redraw_pace import REDRAW_SECONDS, paced

SLOW = 1.01 * REDRAW_SECONDS


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def drawn(monkeypatch, seconds_each, seconds_a_redraw=0.0, stop_at=None):
    """What is drawn of the numbers 0, 1, 2 … that take so many seconds each."""
    clock, stopped, seen = Clock(), Event(), []
    monkeypatch.setattr(redraw_pace, "monotonic", clock)

    def growing():
        for number, seconds in enumerate(seconds_each):
            clock.now += seconds
            if number == stop_at:
                stopped.set()
            yield number

    for item in paced(growing(), stopped):
        seen.append(item)
        clock.now += seconds_a_redraw
    return seen


def test_slow_items_are_all_drawn_and_the_last_one_is_told(monkeypatch):
    assert drawn(monkeypatch, [SLOW] * 3) == [(0, False), (1, False), (2, False), (2, True)]


def test_of_quick_items_the_first_and_the_last_are_drawn(monkeypatch):
    assert drawn(monkeypatch, [REDRAW_SECONDS / 100] * 9) == [(0, False), (8, True)]


def test_the_wait_counts_from_the_end_of_a_redraw(monkeypatch):
    seen = drawn(monkeypatch, [SLOW / 2] * 6, seconds_a_redraw=10 * REDRAW_SECONDS)
    assert seen == [(0, False), (2, False), (4, False), (5, True)]


def test_after_a_stop_only_the_state_it_stopped_in_is_drawn(monkeypatch):
    assert drawn(monkeypatch, [SLOW] * 9, stop_at=2) == [(0, False), (1, False), (2, True)]


@given(st.lists(st.integers(), max_size=20))
def test_whatever_comes_ends_with_its_last_item(items):
    seen = list(paced(items, Event()))
    assert [item for item, is_last in seen if is_last] == items[-1:]
    assert not any(is_last for _, is_last in seen[:-1])

"""All lessons in the order of the tour, and the place of each stop in it."""

from collections.abc import Mapping

from .lessons import (
    architecture,
    feed_forward,
    first_text,
    layer_norm,
    shortcuts,
    transformer_block,
    whole_model,
    why_this_token,
    writing_text,
)
from .tour_stop import Lesson, Stop

LESSONS: tuple[Lesson, ...] = tuple(
    module.LESSON
    for module in (
        first_text,
        architecture,
        layer_norm,
        feed_forward,
        shortcuts,
        transformer_block,
        whole_model,
        writing_text,
        why_this_token,
    )
)

# (lesson, number from 1) of every stop, in order: a stop's index is its place here.
PLACES: tuple[tuple[Lesson, int], ...] = tuple(
    (lesson, number) for lesson in LESSONS for number in range(1, len(lesson.stops) + 1)
)
STOPS: tuple[Stop, ...] = tuple(lesson.stops[number - 1] for lesson, number in PLACES)


def named_in(query: Mapping[str, str]) -> Stop | None:
    """The stop that an address names: the lesson's first without a usable step, None without a lesson of the tour."""
    found = [index for index, (lesson, _) in enumerate(PLACES) if lesson.key == query.get("lesson")]
    if not found:
        return None
    step = query.get("step", "")
    number = int(step) if step.isdecimal() and 1 <= int(step[:4]) <= len(found) else 1
    return STOPS[found[number - 1]]


def tab_of(query: Mapping[str, str]) -> str | None:
    """The tab that a page with this address opens on: that of the stop it names, else the one it names."""
    stop = named_in(query)
    return query.get("tab") if stop is None else stop.tab

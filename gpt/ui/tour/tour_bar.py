"""The tour's bar: what it shows of a stop, and the script that opens, frames, asks, remembers and closes."""

import json
from html import escape
from pathlib import Path
from time import perf_counter_ns

from ..common.glossary import hinted
from ..common.page_html import problem
from .tour_stop import Guess, Told
from .tour_stops import LESSONS, PLACES, STOPS

_SCRIPT = Path(__file__).with_name("bar.js")


def script() -> str:
    """JavaScript of the component that holds the bar; its `select` event names a stop and the tab in front."""
    places = json.dumps([[lesson.key, str(number)] for lesson, number in PLACES])
    return _SCRIPT.read_text(encoding="utf-8").replace("__PLACES__", places)


def bar_html(index: int, told: Told) -> str:
    """The bar at a stop."""
    stop = STOPS[index]
    ask = "" if told.guess is None else _guess_html(told.guess)
    if stop.asks_untrained and told.guess is None and not told.is_reply:
        ask = '<div class="tour-choices"><button type="button" data-ask>Ask the untrained model</button></div>'
    aside = "" if told.holds else '<p class="tour-otherwise">This model is another case.</p>'
    return _bar(
        index,
        f'{aside}<p class="tour-text"><b>{escape(stop.title)}.</b> {hinted(told.said)}</p>{ask}',
        hides="" if told.guess is None else stop.frame if stop.hides is None else stop.hides,
    )


def refused_html(index: int, sentence: str) -> str:
    """The bar at a stop that cannot be computed."""
    return _bar(index, problem(sentence))


def waiting_html() -> str:
    """The bar before its first stop."""
    return _bar(0, '<p class="tour-text">Opening the first stop …</p>', is_stop=False)


def _guess_html(guess: Guess) -> str:
    choices = "".join(
        f'<button type="button" class="tour-choice" data-choice="{number}">{escape(choice)}</button>'
        for number, choice in enumerate(guess.choices)
    )
    return (
        f'<p class="tour-question">{escape(guess.question)}</p>'
        f'<div class="tour-choices" role="group" aria-label="Your guess" data-right="{guess.right}" '
        f'data-answer="{escape(guess.answer)}">{choices}</div>'
        '<p class="tour-answer" role="status" aria-live="polite"></p>'
    )


def _bar(index: int, inside: str, hides: str = "", is_stop: bool = True) -> str:
    lesson, number = PLACES[index]
    first = [place for place, (_, each) in enumerate(PLACES) if each == 1]
    options = "".join(
        f'<option value="{place}"{" selected" if each == lesson else ""}>{escape(each.title)}</option>'
        for place, each in zip(first, LESSONS, strict=True)
    )
    # The same stop twice is two values: the page would not draw one again, and nobody would be told.
    place = (
        f'data-stop="{index}" data-frame="{escape(STOPS[index].frame)}" data-hides="{escape(hides)}" '
        f'data-shown="{perf_counter_ns()}"'
    )
    return (
        f'<section class="tour-bar" aria-label="The chapter, stop by stop" {place if is_stop else ""}>'
        '<div class="tour-head">'
        f'<select aria-label="Lesson" class="tour-lesson">{options}</select>'
        f'<span class="tour-count">{number} of {len(lesson.stops)}</span>'
        f'<button type="button" class="tour-step" data-to="{index - 1}"{"" if index else " disabled"}>Prev</button>'
        f'<button type="button" class="tour-step next" data-to="{index + 1}"'
        f"{'' if index + 1 < len(STOPS) else ' disabled'}>Next</button>"
        '<button type="button" class="tour-close" aria-label="Close the tour">×</button></div>'
        f'<div class="tour-said" tabindex="0" role="group" aria-label="Stop {number} of {len(lesson.stops)}: '
        f'{escape(STOPS[index].title)}">{inside}</div></section>'
    )

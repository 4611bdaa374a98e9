"""The Probabilities tab: open any token of a run, reshape its distribution, take the other road.

A run keeps its final hidden vectors, so all of this but growing a branch is done without reading the text again.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from time import monotonic
from typing import Any

import gradio as gr

from ..generation import Run
from ..runs import branch, record
from ..tokenizer import END_OF_TEXT_ID, VOCAB_SIZE, Tokenizer
from ..weights import WeightsError
from . import probabilities_words as words
from .export import csv_file, json_file, save_button
from .ongoing import stop_button, stop_when_clicked
from .probabilities_drawing import (
    Updates,
    answer,
    draw_all,
    draw_branch,
    draw_figure,
    draw_roads,
    draw_run,
    draw_step,
    refused,
    sentence,
    set_sliders,
    with_the_runs_settings,
)
from .probabilities_layout import Parts, Seen, View, lay_out
from .probabilities_opened import open_token, token_scores, valid_position
from .probabilities_table import COLUMNS, step_rows
from .runs import finished, prompt_ids
from .shared import MODEL_EVENT, Page, intro

KEY = "probabilities"
LABEL = "Probabilities"

# While a run grows elsewhere, this long without news means that it was stopped.
_PATIENCE_SECONDS = 30.0
# The page is redrawn at most this often: faster than the eye follows costs time and shows nothing.
_REDRAW_SECONDS = 0.04

_TOKENIZER = Tokenizer()
_EVENT: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 4}


def build(page: Page) -> None:
    """Lay the tab out and wire it."""
    intro(
        f"Each token was one of {VOCAB_SIZE:,}: open one and reshape what it was drawn from. "
        "Choose another row to take the other road.",
        "section 4.7",
    )
    parts = lay_out()
    seen = [page.model, page.run, page.position, parts.view, *parts.sliders()]
    _wire_opening(page, parts, seen)
    _wire_reshaping(page, parts, seen)
    _wire_branching(page, parts, seen)
    _wire_running(page, parts)
    _wire_saving(page, parts, seen)


def _wire_opening(page: Page, parts: Parts, seen: list[Any]) -> None:
    everything = [page.position, *parts.all()]

    def come(*inputs: Any) -> Updates:
        now = Seen(*inputs)
        if now.run is None:
            view = replace(now.view, drawn_at=monotonic())
            return {parts.summary: words.NO_RUN, parts.view: view, parts.clock: gr.Timer(active=True)}
        return {parts.prompt: now.run.prompt} | draw_run(page, parts, now, figure=True)

    def first_run(*inputs: Any) -> Updates:
        # The clock may have drawn it already: a second time would undo what the visitor has done since.
        now = Seen(*inputs)
        return {parts.clock: gr.Timer(active=True) if hash(now.run) != now.view.drawn else gr.skip()}

    def look(*inputs: Any) -> Updates:
        now = Seen(*inputs)
        if now.run is not None and hash(now.run) != now.view.drawn:
            return draw_run(page, parts, now, figure=finished(now.run))
        if monotonic() - now.view.drawn_at < _PATIENCE_SECONDS:
            return {parts.view: gr.skip()}
        return {parts.clock: gr.Timer(active=False)} | ({} if now.run is None else draw_figure(page, parts, now))

    def open_at(original: bool) -> Callable[..., Updates]:
        def open_it(event: gr.SelectData, *inputs: Any) -> Updates:
            now = Seen(*inputs)
            now = replace(now, position=event.index, view=replace(now.view, original=original, chosen=None))
            return answer(parts, lambda: draw_roads(page, parts, now) | draw_step(page, parts, now))

        return open_it

    page.when_opened(KEY, come, seen, everything, first_run)
    parts.clock.tick(look, seen, everything, **_EVENT)
    parts.strip.select(open_at(original=True), seen, everything, **_EVENT)
    parts.branch_strip.select(open_at(original=False), seen, everything, **_EVENT)


def _wire_reshaping(page: Page, parts: Parts, seen: list[Any]) -> None:
    changing = [parts.view, parts.trouble, parts.opened, parts.table, parts.formula, parts.take, parts.as_run]

    def reshape(*inputs: Any) -> Updates:
        return answer(parts, lambda: draw_step(page, parts, Seen(*inputs)))

    def choose(event: gr.SelectData, *inputs: Any) -> Updates:
        now = Seen(*inputs)
        now = replace(now, view=replace(now.view, chosen=event.index))
        return answer(parts, lambda: draw_step(page, parts, now))

    def as_run(*inputs: Any) -> Updates:
        now = Seen(*inputs)
        if now.run is not None:
            now = with_the_runs_settings(now, now.run)
        return answer(parts, lambda: set_sliders(parts, now) | draw_step(page, parts, now))

    for slider in parts.sliders():
        slider.input(reshape, seen, changing, trigger_mode="always_last", **_EVENT)
    parts.table.select(choose, seen, changing, trigger_mode="always_last", **_EVENT)
    parts.as_run.click(as_run, seen, [*changing, *parts.sliders()], **_EVENT)


def _wire_branching(page: Page, parts: Parts, seen: list[Any]) -> None:
    everything = [page.run, page.position, *parts.all()]

    def take(request: gr.Request, *inputs: Any) -> Iterator[Updates]:
        now = Seen(*inputs)
        try:
            parent = now.looked_at
            position = valid_position(parent, now.position)
            if now.view.chosen is None:
                return
            model = page.library.get(parent.model_name).model
            with page.ongoing.begin(request) as stopped:
                runs = branch(model, _TOKENIZER, parent, position, now.view.chosen, END_OF_TEXT_ID)
                yield from _growing(page, parts, replace(now, position=position), runs, stopped)
        except (ValueError, WeightsError) as error:
            yield {parts.trouble: sentence(error), parts.stop: stop_button(running=False)}

    def go_back(request: gr.Request, *inputs: Any) -> Updates:
        page.ongoing.end(request)
        now = Seen(*inputs)
        run = now.run and (now.run.parent or now.run)
        view = replace(now.view, original=False, chosen=None)
        return {page.run: run} | draw_all(page, parts, replace(now, run=run, view=view), figure=True)

    parts.take.click(take, seen, everything, **MODEL_EVENT)
    stop_when_clicked(parts.stop, page.ongoing)
    parts.back.click(go_back, seen, everything, **_EVENT)


def _wire_running(page: Page, parts: Parts) -> None:
    """Another run starts as the Generate tab would start it, with its controls set from here."""
    assert page.generating is not None
    controls = page.generating.controls
    sliders = [parts.temperature, parts.top_k, parts.top_p]
    outputs = [controls.prompt, controls.temperature, controls.top_k, controls.top_p, controls.greedy]

    def prepare(prompt: str, temperature: float, top_k: int, top_p: float, view: View) -> tuple[Any, ...]:
        greedy = temperature == 0
        settings = (prompt, gr.skip() if greedy else temperature, top_k, top_p, greedy)
        view = replace(view, original=False, chosen=None, drawn_at=monotonic())
        return *settings, gr.Timer(active=True), view, refused(lambda: prompt_ids(prompt))

    prepared = parts.again.click(
        prepare,
        [parts.prompt, *sliders, parts.view],
        [*outputs, parts.clock, parts.view, parts.again_trouble],
        **_EVENT,
    )
    prepared.then(page.generating.fn, page.generating.inputs, page.generating.outputs, **MODEL_EVENT)


def _wire_saving(page: Page, parts: Parts, seen: list[Any]) -> None:
    def step(*inputs: Any) -> dict[str, str] | None:
        now = Seen(*inputs)
        opened = open_token(page.library, now.looked_at, now.position)
        table = opened.table(now.sampling, now.n, now.view.chosen)
        if table is None:
            return None
        return csv_file(f"step-{opened.position + 1}", COLUMNS, step_rows(table, opened.marks()))

    def run(*inputs: Any) -> dict[str, str]:
        shown = Seen(*inputs).looked_at
        scores = token_scores(page.library, shown)[: len(shown.prompt_ids)]
        return json_file("run", record(shown, scores, _TOKENIZER))

    with parts.step_file:
        save_button("Step as CSV", "save-step", step, seen)
    with parts.run_file:
        save_button("Run as JSON", "save-run", run, seen)


def _growing(page: Page, parts: Parts, now: Seen, runs: Iterator[Run], stopped: Event) -> Iterator[Updates]:
    """What is shown of a branch while it grows, at a rate the eye can follow."""
    view = replace(now.view, original=False, chosen=None)
    shown_at = 0.0
    for run in runs:
        now = replace(now, run=run, view=view)
        if stopped.is_set():
            break
        if monotonic() - shown_at < _REDRAW_SECONDS:
            continue
        if shown_at:
            drawn = draw_branch(page, parts, now)
        else:
            drawn = draw_roads(page, parts, now) | {parts.stop: stop_button(running=True)}
        yield {page.run: run} | drawn
        shown_at = monotonic()
    ended = {page.run: now.run, parts.stop: stop_button(running=False)}
    yield ended | draw_all(page, parts, now, figure=True)

"""What the components of the Probabilities tab show for what a visitor has opened: new values by component."""

from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any

import gradio as gr

from ..generation import Run
from ..tokenizer import Tokenizer
from ..weights import WeightsError
from . import probabilities_words as words
from .probabilities_figures import over_the_run
from .probabilities_formula import formula
from .probabilities_layout import Parts, Seen
from .probabilities_opened import open_token, token_scores, valid_position
from .probabilities_table import candidates
from .runs import finished
from .shared import Page, plot, problem

_TOKENIZER = Tokenizer()

Updates = dict[Any, Any]


def answer(parts: Parts, draw: Callable[[], Updates]) -> Updates:
    """What draw gives, or the sentence of what it refuses."""
    drawn: Updates = {}
    trouble = refused(lambda: drawn.update(draw()))
    return drawn | {parts.trouble: trouble}


def refused(do: Callable[[], Any]) -> dict:
    """The update that shows the sentence with which `do` refuses, or shows none."""
    try:
        do()
    except (ValueError, WeightsError) as error:
        return sentence(error)
    return gr.update(visible=False)


def sentence(error: Exception) -> dict:
    """The update that shows what an error says."""
    return gr.update(value=problem(str(error)), visible=True)


def draw_all(page: Page, parts: Parts, now: Seen, figure: bool) -> Updates:
    """Everything about a run that is new here, with or without the figure."""

    def draw() -> Updates:
        growing = now.run is not None and not finished(now.run)
        view = replace(now.view, drawn=hash(now.run), drawn_at=monotonic())
        drawn = draw_roads(page, parts, now) | draw_step(page, parts, now)
        state = {parts.view: view, parts.clock: gr.Timer(active=growing)}
        return drawn | (draw_figure(page, parts, now) if figure else {}) | state

    return answer(parts, draw)


def draw_run(page: Page, parts: Parts, now: Seen, figure: bool) -> Updates:
    """As draw_all, for a run that may be new here: then prompt and sliders follow it, else they are the visitor's."""
    run = now.run
    if run is None or now.view.settings == run.settings:
        return draw_all(page, parts, now, figure)
    now = with_the_runs_settings(now, run)
    return {parts.prompt: run.prompt} | set_sliders(parts, now) | draw_all(page, parts, now, figure)


def draw_roads(page: Page, parts: Parts, now: Seen) -> Updates:
    """The strip of the run, or of the run it parted from and its own beside it."""
    opened = valid_position(now.looked_at, now.position)
    assert now.run is not None
    run, parent = now.run, now.run.parent
    scores = token_scores(page.library, run)
    drawn: Updates = {
        page.position: opened,
        parts.view: now.view,
        parts.summary: words.summary(run, scores, page.library, now.reference),
        parts.heading: gr.update(visible=parent is not None),
        parts.branch_column: gr.update(visible=parent is not None),
        parts.back: words.BACK if parent is None or parent.parent is None else words.BACK_ONE,
    }
    if parent is None or run.parted_at is None:
        return drawn | {parts.strip: words.strip(run, scores, opened)}
    original = token_scores(page.library, parent)
    heading = words.road(parent, original, run.parted_at, "original")
    return (
        draw_branch(page, parts, now)
        | drawn
        | {
            parts.heading: gr.update(value=heading, visible=True),
            parts.strip: words.strip(parent, original, opened if now.view.original else None),
        }
    )


def draw_branch(page: Page, parts: Parts, now: Seen) -> Updates:
    """The strip of a branch with its heading: what changes while it grows."""
    run = now.run
    if run is None or run.parted_at is None:
        return {}
    scores = token_scores(page.library, run)
    opened = None if now.view.original else valid_position(run, now.position)
    return {
        parts.branch_heading: words.road(run, scores, run.parted_at, "branch"),
        parts.branch_strip: words.strip(run, scores, opened),
    }


def draw_step(page: Page, parts: Parts, now: Seen) -> Updates:
    """The opened token: what it could have been, and the way to the chosen token's probability."""
    opened = open_token(page.library, now.looked_at, now.position)
    table = opened.table(now.sampling, now.n, now.view.chosen)
    said = {
        parts.view: now.view,
        parts.opened: words.opened_token(opened),
        parts.as_run: gr.update(interactive=now.sampling != opened.run.settings.sampling),
    }
    if table is None:
        return said | {parts.table: None, parts.formula: "", parts.take: gr.update(interactive=False)}
    chosen = opened.token_id if now.view.chosen is None else now.view.chosen
    row = next(row for row in table.tokens if row.token_id == chosen)
    return said | {
        parts.table: candidates(table, now.sampling, opened.marks(), chosen),
        parts.formula: formula(row, table, now.sampling),
        parts.take: gr.update(value=words.take(opened, chosen), interactive=chosen != opened.token_id),
    }


def draw_figure(page: Page, parts: Parts, now: Seen) -> Updates:
    """The run as lines over its tokens, with the run it parted from behind it."""
    assert now.run is not None
    run, parent = now.run, now.run.parent
    scores = token_scores(page.library, run)
    if parent is None or run.parted_at is None:
        roads = [words.line(run, scores, "", "kept")]
    else:
        original = words.line(parent, token_scores(page.library, parent), "original", "original")
        roads = [original, words.line(run, scores, "branch", "branch", run.parted_at)]
    tokens = [_TOKENIZER.visible(token_id) for token_id in run.ids]
    return {parts.figure: plot(over_the_run(roads, tokens, len(run.prompt_ids)))}


def set_sliders(parts: Parts, now: Seen) -> Updates:
    """The sliders at the settings that are looked at."""
    return {parts.temperature: now.temperature, parts.top_k: now.top_k, parts.top_p: now.top_p}


def with_the_runs_settings(now: Seen, run: Run) -> Seen:
    """The sliders at the settings of a run."""
    sampling = run.settings.sampling
    view = replace(now.view, settings=run.settings)
    return replace(now, view=view, temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p)

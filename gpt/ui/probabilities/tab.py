"""The Probabilities tab: select any token of a run, reshape its distribution, branch from it.

A run keeps its final hidden vectors: only a branch reads text again, everything else is computed from them.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from time import monotonic
from typing import Any

import gradio as gr

from ...files.layouts import WeightsError
from ...runs import Run, branch, finished, record
from ..attribution import account_view
from ..common.address_values import by_id
from ..common.captions import about_run
from ..common.components import intro
from ..common.downloads import File, csv_file, json_file
from ..common.drawing import KEPT_EVENT, MODEL_EVENT, Drawing, Updates, with_note
from ..common.linked_branch import branch_text
from ..common.page_context import Page
from ..common.page_html import problem
from ..common.redraw_pace import paced
from ..common.run_settings import check_prompt_of
from ..common.selected_position import valid_position
from ..common.stoppable_work import stop_button, stop_when_clicked
from ..common.time_limit import within
from ..common.waiting_events import waits_in_note, while_waiting
from . import words
from .candidate_table import COLUMNS, step_rows
from .selected_token import RUN_COLUMNS, run_rows, select_token, token_scores
from .tab_components import Seen, Selection, TabComponents, chosen_text, lay_out, selection_from, strip_text
from .tab_updates import (
    draw_all,
    draw_branch,
    draw_figure,
    draw_run,
    draw_step,
    draw_strips,
    set_sliders,
    with_the_runs_settings,
)

KEY = "probabilities"
LABEL = "Probabilities"

# While a run grows elsewhere, this long without a new token means that it was stopped.
_PATIENCE_SECONDS = 30.0
# All of a run is sent again when it has grown by a tenth: together that is a few times its length, whatever it is.
_GROWTH = 1.1
_REDRAW_SECONDS = 2.0


def build(page: Page) -> None:
    """Lay the tab out and wire it."""
    intro(
        "Each token was drawn from the whole vocabulary: select one and reshape what it was drawn from. "
        "Choose another row to branch there.",
        "section 4.7",
    )
    tab = lay_out()
    seen = [page.model, page.run, page.position, tab.selection, *tab.sliders()]
    _wire_selecting(page, tab, seen)
    _wire_reshaping(page, tab, seen)
    _wire_branching(page, tab, seen)
    _wire_running(page, tab)
    _wire_saving(page, tab, seen)
    page.in_address(KEY, by_id(tab.sliders()[:3]), of_the_run=True)
    page.in_address(KEY, by_id([tab.n]))
    page.remember_in_address(KEY, "chosen", tab.selection, chosen_text, selection_from)
    page.remember_in_address(KEY, "strip", tab.selection, strip_text, selection_from)
    with tab.why:
        account_view.build(page, tab.selection, seen, Seen)


def _wire_selecting(page: Page, tab: TabComponents, seen: list[Any]) -> None:
    everything = [page.position, *tab.all()]
    skipped = {tab.selection: gr.skip()}

    def arrive(*inputs: Any) -> Updates:
        now = Seen(*inputs)
        if now.run is None:
            selection = replace(now.selection, drawn_at=monotonic())
            return {tab.summary: words.NO_RUN, tab.selection: selection, tab.clock: gr.Timer(active=True)}
        return {tab.prompt: now.run.prompt} | draw_run(page, tab, now, figure=True)

    def first_run(*inputs: Any) -> Updates:
        # The clock may have drawn it already. Drawn a second time, it would undo what the visitor has done since.
        now = Seen(*inputs)
        return {tab.clock: gr.Timer(active=True) if hash(now.run) != now.selection.drawn else gr.skip()}

    def look(*inputs: Any) -> Updates:
        now = Seen(*inputs)
        if now.run is not None and hash(now.run) != now.selection.drawn:
            return draw_run(page, tab, now, figure=finished(now.run)) if _is_worth_drawing(now) else skipped
        if monotonic() - now.selection.drawn_at < _PATIENCE_SECONDS:
            return skipped
        figure = {} if now.run is None else draw_figure(page, tab, now)
        return figure | {tab.clock: gr.Timer(active=False)}

    def select_in(original: bool) -> Callable[..., Updates]:
        def select(event: gr.SelectData, *inputs: Any) -> Updates:
            now = Seen(*inputs)
            now = replace(now, position=event.index, selection=replace(now.selection, original=original, chosen=None))
            return with_note(tab.note, lambda: draw_strips(page, tab, now) | draw_step(page, tab, now))

        return select

    opened, first = (Drawing(fn, seen, everything, reads_text=False) for fn in (arrive, first_run))
    page.when_opened(KEY, opened, first)
    tab.clock.tick(look, seen, everything, **KEPT_EVENT)
    tab.strip.select(select_in(original=True), seen, everything, **KEPT_EVENT)
    tab.branch_strip.select(select_in(original=False), seen, everything, **KEPT_EVENT)


def _is_worth_drawing(now: Seen) -> bool:
    """Whether a growing run is so much longer than what is shown that it is sent again, or has not been for a while."""
    assert now.run is not None
    longer = len(now.run.ids) >= _GROWTH * now.selection.drawn_length
    return longer or finished(now.run) or monotonic() - now.selection.drawn_at > _REDRAW_SECONDS


def _wire_reshaping(page: Page, tab: TabComponents, seen: list[Any]) -> None:
    changing = [tab.selection, tab.note, tab.selected, tab.table, tab.formula, tab.code, tab.take, tab.as_run]

    def reshape(*inputs: Any) -> Updates:
        return with_note(tab.note, lambda: draw_step(page, tab, Seen(*inputs)))

    def choose(event: gr.SelectData, *inputs: Any) -> Updates:
        now = Seen(*inputs)
        now = replace(now, selection=replace(now.selection, chosen=event.index))
        return with_note(tab.note, lambda: draw_step(page, tab, now))

    def as_run(*inputs: Any) -> Updates:
        now = Seen(*inputs)
        if now.run is not None:
            now = with_the_runs_settings(now, now.run)
        return with_note(tab.note, lambda: set_sliders(tab, now) | draw_step(page, tab, now))

    for slider in tab.sliders():
        slider.input(reshape, seen, changing, trigger_mode="always_last", **KEPT_EVENT)
    tab.table.select(choose, seen, changing, **KEPT_EVENT)
    tab.as_run.click(as_run, seen, [*changing, *tab.sliders()], **KEPT_EVENT)


def _wire_branching(page: Page, tab: TabComponents, seen: list[Any]) -> None:
    everything = [page.run, page.branch, page.position, *tab.all()]

    def take(request: gr.Request, *inputs: Any) -> Iterator[Updates]:
        now = Seen(*inputs)
        try:
            parent = now.looked_at
            position = valid_position(parent, now.position)
            if now.selection.chosen is None:
                return
            model = page.library.get(parent.model_name).model
            with page.ongoing.begin(request) as stopped:
                runs = branch(model, parent, position, now.selection.chosen)
                runs = within(runs, page.options.max_seconds)
                yield from _growing(page, tab, replace(now, position=position), runs, stopped)
        except (ValueError, WeightsError) as error:
            yield {tab.note: problem(str(error)), tab.stop: stop_button(running=False)}

    def go_back(request: gr.Request, *inputs: Any) -> Updates:
        page.ongoing.end(request)
        now = Seen(*inputs)
        run = now.run and (now.run.parent or now.run)
        selection = replace(now.selection, original=False, chosen=None)
        shown = {page.run: run, page.branch: branch_text(run)}
        return shown | draw_all(page, tab, replace(now, run=run, selection=selection), figure=True)

    while_waiting(take, waits_in_note(page.ongoing, tab.note, tab.stop))
    tab.take.click(take, seen, everything, **MODEL_EVENT)
    stop_when_clicked(tab.stop, page.ongoing)
    tab.back.click(go_back, seen, everything, **KEPT_EVENT)


def _wire_running(page: Page, tab: TabComponents) -> None:
    """Another run starts as the Generate tab would start it, with its controls set from here."""
    assert page.generating is not None
    controls = page.generating.controls
    sliders = [tab.temperature, tab.top_k, tab.top_p]
    changing = [controls.prompt, controls.temperature, controls.top_k, controls.top_p, controls.greedy]
    changing.append(controls.begin_with_end_of_text)

    def prepare(
        reference: str,
        run: Run | None,
        prompt: str,
        temperature: float,
        top_k: int,
        top_p: float,
        selection: Selection,
    ) -> Updates:
        begin = run is not None and run.begin_with_end_of_text

        def check() -> Updates:
            check_prompt_of(page.library, reference, prompt, begin)
            return {}

        greedy = temperature == 0
        settings = {controls.prompt: prompt, controls.top_k: top_k, controls.top_p: top_p, controls.greedy: greedy}
        settings[controls.begin_with_end_of_text] = begin
        if not greedy:
            settings[controls.temperature] = temperature
        selection = replace(selection, original=False, chosen=None, drawn_at=monotonic())
        state = {tab.clock: gr.Timer(active=True), tab.selection: selection}
        return settings | state | with_note(tab.again_note, check)

    prepared = tab.again.click(
        prepare,
        [page.model, page.run, tab.prompt, *sliders, tab.selection],
        [*changing, tab.clock, tab.selection, tab.again_note],
        **KEPT_EVENT,
    )
    prepared.then(page.generating.fn, page.generating.inputs, page.generating.outputs, **MODEL_EVENT)


def _wire_saving(page: Page, tab: TabComponents, seen: list[Any]) -> None:
    def step(_run: Run, *inputs: Any) -> File | None:
        now = Seen(*inputs)
        selected = select_token(page.library, now.looked_at, now.position)
        table = selected.table(now.sampling, now.n, now.selection.chosen)
        if table is None:
            return None
        about = words.about_candidates(selected, now.sampling)
        return csv_file(about, COLUMNS, step_rows(table, selected.run.reader, selected.marks()))

    def run(_run: Run, *inputs: Any) -> File:
        shown = Seen(*inputs).looked_at
        scores = token_scores(page.library, shown)[: len(shown.prompt_ids)]
        return json_file(about_run("Run", shown), record(shown, scores), page.library.get(shown.model_name))

    def tokens(_run: Run, *inputs: Any) -> File:
        shown = Seen(*inputs).looked_at
        return csv_file(about_run("Tokens of the run", shown), RUN_COLUMNS, run_rows(page.library, shown))

    with tab.step_file:
        page.save_button("Step as CSV", "save-step", step, seen)
    with tab.run_file:
        page.save_button("Tokens as CSV", "save-tokens", tokens, seen)
        page.save_button("Run as JSON", "save-run", run, seen)


def _growing(page: Page, tab: TabComponents, now: Seen, runs: Iterator[Run], stopped: Event) -> Iterator[Updates]:
    """What is shown of a branch while it grows, at a rate the eye can follow."""
    now = replace(now, selection=replace(now.selection, original=False, chosen=None))
    begun = False
    for run, is_last in paced(runs, stopped):
        now = replace(now, run=run)
        if is_last:
            drawn = draw_all(page, tab, now, figure=True) | {tab.stop: stop_button(running=False)}
        elif begun:
            drawn = draw_branch(page, tab, now)
        else:
            drawn = draw_strips(page, tab, now) | {tab.stop: stop_button(running=True)}
        yield {page.run: run, page.branch: branch_text(run)} | drawn
        begun = True

"""What the components of the Probabilities tab show for what a visitor has selected: new values by component."""

from dataclasses import replace
from time import monotonic

import gradio as gr

from ...runs import Run, finished
from ..common.captions import about_run
from ..common.code_behind import code_value
from ..common.components import plot
from ..common.drawing import Updates, with_note
from ..common.page_context import Page
from ..common.selected_position import valid_position
from . import words
from .candidate_table import candidates
from .figures import over_the_run
from .selected_token import select_token, token_scores
from .softmax_formula import formula
from .step_code import step_code
from .tab_components import Seen, TabComponents


def draw_all(page: Page, tab: TabComponents, now: Seen, figure: bool) -> Updates:
    """Everything about a run that is new here, with or without the figure."""

    def draw() -> Updates:
        growing = now.run is not None and not finished(now.run)
        length = len(now.run.ids) if now.run is not None else 0
        name = now.run.model_name if now.run is not None else ""
        selection = replace(
            now.selection, model_name=name, drawn=hash(now.run), drawn_length=length, drawn_at=monotonic()
        )
        drawn = draw_strips(page, tab, now) | draw_step(page, tab, now)
        state = {tab.selection: selection, tab.clock: gr.Timer(active=growing)}
        return drawn | (draw_figure(page, tab, now) if figure else {}) | state

    return with_note(tab.note, draw)


def draw_run(page: Page, tab: TabComponents, now: Seen, figure: bool) -> Updates:
    """As draw_all, for a run that may be new here: then prompt and sliders follow it, else they are the visitor's."""
    run = now.run
    if run is not None and run.model_name != now.selection.model_name and not _is_linked(page, now, run):
        # A row chosen among one model's tokens is no choice among another's, and may be no token of its vocabulary.
        now = replace(now, selection=replace(now.selection, chosen=None))
    if run is None or now.selection.settings == run.settings:
        return draw_all(page, tab, now, figure)
    if now.selection.keeps_sliders:
        now = replace(now, selection=replace(now.selection, settings=run.settings, keeps_sliders=False))
        return {tab.prompt: run.prompt} | draw_all(page, tab, now, figure)
    now = with_the_runs_settings(now, run)
    return {tab.prompt: run.prompt} | set_sliders(tab, now) | draw_all(page, tab, now, figure)


def _is_linked(page: Page, now: Seen, run: Run) -> bool:
    """Whether a link has chosen the row, and the run's model has that token."""
    chosen = now.selection.chosen
    if now.selection.model_name or chosen is None:
        return False
    return chosen < page.library.get(run.model_name).model.config.vocab_size


def draw_strips(page: Page, tab: TabComponents, now: Seen) -> Updates:
    """The strip of the run; for a branch, the strip of the run that it branched from, and its own beside it."""
    selected = valid_position(now.looked_at, now.position)
    # Where nobody has chosen a position, it stays None. One that a link names may not be written yet.
    is_kept = now.position is None or now.position == selected or not finished(now.looked_at)
    assert now.run is not None
    run, parent = now.run, now.run.parent
    scores = token_scores(page.library, run)
    drawn: Updates = {
        page.position: now.position if is_kept else None,
        tab.selection: now.selection,
        tab.summary: words.summary(run, scores, page.library, now.reference),
        tab.heading: gr.update(visible=parent is not None),
        tab.back: words.BACK if parent is None or parent.parent is None else words.BACK_ONE,
    }
    if parent is None or run.parted_at is None:
        return drawn | {tab.strip: words.strip(run, scores, selected), tab.branch_heading: "", tab.branch_strip: ""}
    original = token_scores(page.library, parent)
    heading = words.branch_heading(parent, original, run.parted_at, "original")
    return (
        draw_branch(page, tab, now)
        | drawn
        | {
            tab.heading: gr.update(value=heading, visible=True),
            tab.strip: words.strip(parent, original, selected if now.selection.original else None),
        }
    )


def draw_branch(page: Page, tab: TabComponents, now: Seen) -> Updates:
    """The strip of a branch with its heading: what changes while it grows."""
    run = now.run
    if run is None or run.parted_at is None:
        return {}
    scores = token_scores(page.library, run)
    selected = None if now.selection.original else valid_position(run, now.position)
    return {
        tab.branch_heading: words.branch_heading(run, scores, run.parted_at, "branch"),
        tab.branch_strip: words.strip(run, scores, selected),
    }


def draw_step(page: Page, tab: TabComponents, now: Seen) -> Updates:
    """The selected token: which tokens could stand there, and how the chosen one's probability is computed."""
    selected = select_token(page.library, now.looked_at, now.position)
    table = selected.table(now.sampling, now.n, now.selection.chosen)
    said = {
        tab.selection: now.selection,
        tab.selected: words.selected_token(selected),
        tab.as_run: gr.update(interactive=now.sampling != selected.run.settings.sampling),
    }
    if table is None:
        return said | {tab.table: None, tab.formula: "", tab.code: "", tab.take: gr.update(interactive=False)}
    run = selected.run
    chosen = selected.token_id if now.selection.chosen is None else now.selection.chosen
    row = next(row for row in table.tokens if row.token_id == chosen)
    about = words.about_candidates(selected, now.sampling)
    return said | {
        tab.table: candidates(table, run.reader, now.sampling, selected.marks(), chosen, about),
        tab.formula: formula(row, table, now.sampling),
        tab.code: code_value(step_code(run, selected.position, now.sampling, now.n)),
        tab.take: gr.update(value=words.branch_label(selected, chosen), interactive=chosen != selected.token_id),
    }


def draw_figure(page: Page, tab: TabComponents, now: Seen) -> Updates:
    """The run as lines over its tokens; for a branch, with the run that it branched from behind it."""
    assert now.run is not None
    run, parent = now.run, now.run.parent
    scores = token_scores(page.library, run)
    if parent is None or run.parted_at is None:
        lines = [words.line(run, scores, "", "kept")]
    else:
        original = words.line(parent, token_scores(page.library, parent), "original", "original")
        lines = [original, words.line(run, scores, "branch", "branch", run.parted_at)]
    tokens = [run.reader.visible(token_id) for token_id in run.ids]
    about = about_run("Probabilities: over the run", run, colours="Dotted: the end of the prompt.")
    return {tab.figure: plot(over_the_run(lines, tokens, len(run.prompt_ids)), about)}


def set_sliders(tab: TabComponents, now: Seen) -> Updates:
    """The sliders at the settings that are looked at."""
    return {tab.temperature: now.temperature, tab.top_k: now.top_k, tab.top_p: now.top_p}


def with_the_runs_settings(now: Seen, run: Run) -> Seen:
    """The sliders at the settings of a run."""
    sampling = run.settings.sampling
    selection = replace(now.selection, settings=run.settings)
    return replace(
        now, selection=selection, temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p
    )

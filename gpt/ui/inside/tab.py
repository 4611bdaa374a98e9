"""The Inside tab: attention maps, residual stream and logit lens of the run's tokens, out of one trace, and panels
that tell why a token came.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from ...runs import Run
from ..attribution import view_panels as attribution
from ..attribution.view_panels import Panels
from ..common.address_values import by_id, named_place
from ..common.attention_maps import attention_maps, maps_value
from ..common.captions import about_run, about_traced
from ..common.code_behind import code_area, code_value
from ..common.components import intro, note_area, plot, plot_area, view_choice
from ..common.downloads import File, csv_file
from ..common.drawing import Updates, chosen_into
from ..common.page_context import Page
from ..common.page_html import status
from ..common.saved_pictures import pictured
from ..common.selected_position import valid_position
from ..common.tab_views import ViewArea, save_numbers
from ..common.token_strip import probability_legend, strip_html, strip_token, token_strip
from ..common.traced_run import traced_run
from ..common.traced_strip import traced_strip, traced_text
from .view_code import view_code
from .views import VIEWS, Look, about, all_heads_numbers

KEY = "inside"
LABEL = "Inside"
ATTENTION, _, LENS = VIEWS

_STRIP_COLOURS = "The stronger the blue, the more the selected token attends to a token."


def build(page: Page) -> None:
    """Lay the tab out and wire it: any change of token, head or view redraws the one view that is open."""
    intro(
        "Between the embeddings and the answer, every block lets tokens look at earlier ones and adds what it found. "
        "Choose a token and see where it looks, how its vector grows, when the answer appears, and what made it.",
        "sections 4.5 and 4.6",
    )
    note = note_area("inside-note")
    chosen_head = gr.State(0)  # block * heads + head of the enlarged map
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=320, elem_classes=["selected-run"]) as strip_area:
            strip = token_strip("inside-strip")
            legend = gr.HTML(probability_legend("attention it pays"), elem_id="inside-legend")
            where = gr.HTML(elem_id="inside-where")
        with gr.Column(scale=5, min_width=320):
            view = view_choice("inside-view", [*VIEWS, *attribution.NAMES])
            said = gr.HTML(elem_id="inside-said", elem_classes=["flush"])
            with gr.Row(equal_height=False) as attention_area:
                with gr.Column(scale=2, min_width=280):
                    maps = attention_maps("inside-maps")
                with gr.Column(scale=3, min_width=320):
                    enlarged = plot_area("inside-map")
            with gr.Column(visible=False) as depth_area:
                with_halves = gr.Checkbox(label="Also between attention and feed-forward", elem_id="inside-halves")
                area = _view_area(said)
            panels = attribution.build(page, strip)
            save = gr.Row()
            behind = code_area("inside-code")

    def look(run: Run, token: int | None, head: int, halves: bool) -> Look:
        """The selected token and head; the first head when the model does not have that one."""
        traced = traced_run(page.library, run, token)
        config = traced.model.config
        block, head = divmod(head if head < config.n_layers * config.n_heads else 0, config.n_heads)
        return Look(traced, block, head, halves)

    def attention(looked_at: Look) -> Updates:
        shown = VIEWS[ATTENTION].show(looked_at)
        about_maps = about_traced("Inside: all heads", looked_at.traced)
        maps_shown = maps_value(looked_at.all_weights, (looked_at.block, looked_at.head), about_maps)
        return {said: status(shown.said), maps: maps_shown, enlarged: plot(shown.figure, about(ATTENTION, looked_at))}

    def draw_view(run: Run, view: str, token: int | None, head: int, halves: bool) -> Updates:
        looked_at = look(run, token, head, halves)
        is_attention = view == ATTENTION
        drawn = (
            attention(looked_at) if is_attention else area.updates(VIEWS[view].show(looked_at), about(view, looked_at))
        )
        return drawn | {
            strip: _strip(looked_at, is_attention),
            where: traced_text(looked_at.traced),
            behind: code_value(view_code(view, looked_at)),
        }

    def draw(run: Run, view: str, token: int | None, head: int, halves: bool, *values: Any) -> Updates:
        visible = _visible(view, panels) | {
            legend: view == ATTENTION,
            attention_area: view == ATTENTION,
            depth_area: view in VIEWS and view != ATTENTION,
            with_halves: view == LENS,
            save: view in VIEWS,
            strip_area: view not in attribution.OF_NO_PREDICTION,
        }
        places: Updates = {component: gr.update(visible=shown) for component, shown in visible.items()}
        if view in VIEWS:
            return places | draw_view(run, view, token, head, halves)
        return (
            places
            | {said: "", where: "", behind: "", strip: _plain_strip(run, token)}
            | panels.draw(view, run, token, values)
        )

    _wire_address(page, view, [with_halves, *panels.controls], chosen_head)
    inputs = [view, page.position, chosen_head, with_halves]
    outputs = [strip, strip_area, where, legend, attention_area, maps, enlarged, depth_area, with_halves, save, behind]
    drawing = page.drawing(
        panels.alone(draw), [*inputs, *panels.inputs], [*outputs, *area.all(), *panels.outputs], note
    )
    page.when_opened(KEY, drawing)
    chosen = [chosen_into(page.position, strip), chosen_into(chosen_head, maps)]
    drawing.draw_on(with_halves.input, view.input, *chosen, *panels.redraws)
    with save:
        _save_all_heads(page, look, inputs)
        save_numbers(page, "inside-csv", VIEWS, look, about, inputs)


def _wire_address(page: Page, view: gr.Radio, controls: Sequence[Component], chosen_head: gr.State) -> None:
    page.reachable(KEY, view=view)
    page.in_address(KEY, by_id(controls))
    page.remember_in_address(KEY, "head", chosen_head, str, partial(named_place, "head"))


def _save_all_heads(page: Page, look: Callable[..., Look], inputs: Sequence[Component]) -> None:
    """A button that saves the field of maps; the first of the inputs is the choice of the view."""

    def file(run: Run, _: str, *values: Any) -> File:
        looked_at = look(run, *values)
        return csv_file(about_traced("Inside: all heads", looked_at.traced), *all_heads_numbers(looked_at))

    page.save_button("Save all heads as CSV", "inside-maps-csv", file, inputs)


def _strip(look: Look, is_attention: bool) -> str:
    """The tokens, coloured by what the selected one attends to where attention is shown."""
    about = about_traced("Inside: tokens", look.traced)
    if not is_attention:
        return pictured(about, traced_strip(look.traced))
    about = replace(about, what="Inside: attention of a token", colours=_STRIP_COLOURS)
    shown = traced_strip(look.traced, look.selected_row.tolist())
    return pictured(about.at(block=look.block, head=look.head), shown)


def _visible(view: str, panels: Panels) -> dict[Any, bool]:
    """Which of the panels is shown."""
    return {panel.area: name == view for name, panel in panels.by_name.items()}


def _plain_strip(run: Run, position: int | None) -> str:
    """The tokens of a run, the one whose prediction is asked about marked."""
    tokens = [strip_token(run.reader, token_id, f"token {number}") for number, token_id in enumerate(run.ids, 1)]
    selected = valid_position(run, position)
    return pictured(about_run("Inside: tokens", run, selected), strip_html(tokens, selected))


def _view_area(said: gr.HTML) -> ViewArea:
    """Where a view over the depth is shown, below what is said of it."""
    table = gr.HTML(elem_id="inside-table", elem_classes=["flush"])
    figure = plot_area("inside-figure")
    with gr.Column(visible=False) as second_area:
        second = plot_area("inside-second")
    return ViewArea(said, figure, second, second_area, table)

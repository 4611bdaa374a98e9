"""The Inside tab: attention maps, residual stream and logit lens of the run's tokens, out of one trace."""

from html import escape
from typing import Any

import gradio as gr

from ..generation import Run
from ..weights import WeightsError
from .attention_maps import attention_maps, maps_value
from .export import csv_file, save_button
from .inside_views import VIEWS, Look
from .shared import MODEL_EVENT, Page, intro, plot, plot_area, problem
from .strip import probability_legend, token_strip
from .traces import NO_RUN, traced_run, traced_strip, traced_text

KEY = "inside"
LABEL = "Inside"
ATTENTION, _, LENS = VIEWS


def build(page: Page) -> None:
    """Lay the tab out and wire it: any change of token, head or view redraws the one view that is open."""
    intro(
        "Between the embeddings and the answer, every block lets tokens look at earlier ones and adds what it found. "
        "Choose a token and see where it looks, how its vector grows, and when the answer appears.",
        "sections 4.5 and 4.6",
    )
    head = gr.State(0)  # block * heads + head of the enlarged map
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=320, elem_classes=["opened-run"]):
            strip = token_strip("inside-strip")
            legend = gr.HTML(probability_legend("attention it pays"), elem_id="inside-legend")
            where = gr.HTML(elem_id="inside-where")
        with gr.Column(scale=5, min_width=320):
            view = gr.Radio(
                list(VIEWS),
                value=ATTENTION,
                label="View",
                show_label=False,
                container=False,
                elem_id="inside-view",
                elem_classes=["chips"],
            )
            said = gr.HTML(elem_id="inside-said", elem_classes=["flush"])
            with gr.Row(equal_height=False) as attention_area:
                with gr.Column(scale=2, min_width=280):
                    maps = attention_maps("inside-maps")
                with gr.Column(scale=3, min_width=320):
                    enlarged = plot_area("inside-map")
            with gr.Column(visible=False) as depth_area:
                halves = gr.Checkbox(label="Also between attention and feed-forward", elem_id="inside-halves")
                table = gr.HTML(elem_id="inside-table", elem_classes=["flush"])
                figure = plot_area("inside-figure")
                with gr.Column(visible=False) as second_area:
                    second = plot_area("inside-second")
            save = gr.Row()

    inputs = [page.run, page.position, head, halves, view]
    opened = [attention_area, maps, enlarged, depth_area, halves, table, figure, second_area, second]
    outputs = [strip, where, legend, said, *opened]

    def draw(run: Run | None, token: int | None, head: int, halves: bool, view: str) -> list[Any]:
        if run is None:
            return [gr.skip(), NO_RUN, *[gr.skip()] * (len(outputs) - 2)]
        try:
            return _drawn(_look(page, run, token, head, halves), view)
        except (ValueError, WeightsError) as error:
            return [gr.skip(), problem(str(error)), *[gr.skip()] * (len(outputs) - 2)]

    def numbers_of(run: Run | None, token: int | None, head: int, halves: bool, view: str) -> dict[str, str] | None:
        if run is None:
            return None
        _, numbers = VIEWS[view]
        return csv_file(view.lower().replace(" ", "-"), *numbers(_look(page, run, token, head, halves)))

    with save:
        save_button("Save these numbers as CSV", "inside-csv", numbers_of, inputs)
    page.when_opened(KEY, draw, inputs, outputs)
    for source, state in ((strip, page.position), (maps, head)):
        source.select(_chosen, None, [state], api_visibility="private").then(draw, inputs, outputs, **MODEL_EVENT)
    gr.on([halves.input, view.input], draw, inputs, outputs, trigger_mode="always_last", **MODEL_EVENT)


def _chosen(event: gr.SelectData) -> int:
    return int(event.index)


def _look(page: Page, run: Run, token: int | None, head: int, halves: bool) -> Look:
    """The opened token and head; the first head when the model does not have that one."""
    traced = traced_run(page.library, run, token)
    config = traced.model.config
    block, head = divmod(head if head < config.n_layers * config.n_heads else 0, config.n_heads)
    return Look(run, traced, block, head, halves)


def _drawn(look: Look, view: str) -> list[Any]:
    draw, _ = VIEWS[view]
    drawn = draw(look)
    attention = view == ATTENTION
    head = [
        traced_strip(look.run, look.traced, look.opened_row.tolist() if attention else ()),
        traced_text(look.run, look.traced),
        gr.update(visible=attention),
        f'<p class="status">{escape(drawn.said)}</p>',
        gr.update(visible=attention),
    ]
    if attention:
        maps = maps_value(look.all_weights, (look.block, look.head))
        return [*head, maps, plot(drawn.figure), gr.update(visible=False), *[gr.skip()] * 5]
    return [
        *head,
        *[gr.skip()] * 2,
        gr.update(visible=True),
        gr.update(visible=view == LENS),
        drawn.table,
        plot(drawn.figure),
        gr.update(visible=drawn.second is not None),
        gr.skip() if drawn.second is None else plot(drawn.second),
    ]

"""The LayerNorm tab: any norm of the run's model at work on the run's tokens, and the chapter's own example."""

from html import escape
from typing import Any

import gradio as gr

from ..generation import Run
from ..tracing import NORM_NAMES
from ..weights import WeightsError
from . import layernorm_example
from .export import csv_file, save_button
from .layernorm_views import VIEWS, Look
from .shared import MODEL_EVENT, Page, intro, plot, plot_area, problem
from .strip import token_strip
from .traces import NO_RUN, traced_run, traced_strip, traced_text

KEY = "layernorm"
LABEL = "LayerNorm"
EXAMPLE = "2 × 5 example"


def build(page: Page) -> None:
    """Lay the tab out and wire it: any change of place, token or view redraws the one view that is open."""
    intro(
        "Every token enters a LayerNorm as a row of numbers of any size and leaves it with mean 0 and deviation 1, "
        "scaled and shifted. Pick a norm and a token, then go through the views from left to right.",
        "section 4.2",
    )
    with gr.Row(equal_height=False, elem_classes=["sides"]):
        with gr.Column(scale=2, min_width=320):
            block, norm = _place_controls()
            with gr.Column(elem_classes=["opened-run"]):
                strip = token_strip("norm-strip")
            where = gr.HTML(elem_id="norm-where")
        with gr.Column(scale=5, min_width=320):
            view = gr.Radio(
                [*VIEWS, EXAMPLE],
                value=next(iter(VIEWS)),
                label="View",
                show_label=False,
                container=False,
                elem_id="norm-view",
                elem_classes=["chips"],
            )
            with gr.Column(elem_id="norm-figures") as shown:
                said = gr.HTML(elem_id="norm-said", elem_classes=["flush"])
                figure = plot_area("norm-figure")
                with gr.Column(visible=False) as second_area:
                    second = plot_area("norm-second")
                numbers = gr.HTML(elem_id="norm-numbers", elem_classes=["flush"])
                save = gr.Row()
            with gr.Column(visible=False) as example_area:
                example = layernorm_example.build()

    inputs = [page.run, page.position, block, norm, view, *example.inputs]
    outputs = [strip, where, block, shown, example_area, said, figure, second_area, second, numbers, *example.outputs]

    def draw(run: Run | None, token: int | None, block: float, norm: str, view: str, *example_values: Any) -> list[Any]:
        if run is None:
            return [gr.skip(), NO_RUN, *[gr.skip()] * (len(outputs) - 2)]
        try:
            look = _look(page, run, token, block, norm)
            drawn = _example(*example_values) if view == EXAMPLE else _view(look, view)
        except (ValueError, WeightsError) as error:
            return [gr.skip(), problem(str(error)), *[gr.skip()] * (len(outputs) - 2)]
        return [traced_strip(look.run, look.traced), traced_text(look.run, look.traced), _fitted(look, block), *drawn]

    def numbers_of(run: Run | None, token: int | None, block: float, norm: str, view: str) -> dict[str, str] | None:
        if run is None:
            return None
        look = _look(page, run, token, block, norm)
        _, numbers = VIEWS[view]
        name = f"layernorm {view}".lower().replace(" ", "-")
        return csv_file(name, *numbers(look))

    with save:
        save_button("Save these numbers as CSV", "norm-csv", numbers_of, inputs[:5])
    page.when_opened(KEY, draw, inputs, outputs)
    strip.select(_chosen, None, [page.position], api_visibility="private").then(draw, inputs, outputs, **MODEL_EVENT)
    gr.on([block.input, norm.input, view.input], draw, inputs, outputs, trigger_mode="always_last", **MODEL_EVENT)


def _place_controls() -> tuple[gr.Slider, gr.Radio]:
    block = gr.Slider(
        0, 11, 0, step=1, label="Block", info="Each has two norms; final_norm is after the last.", elem_id="norm-block"
    )
    norm = gr.Radio(
        list(NORM_NAMES),
        value=NORM_NAMES[0],
        label="Norm",
        info="norm1 is before attention, norm2 before feed-forward.",
        elem_id="norm-name",
        elem_classes=["chips"],
    )
    return block, norm


def _look(page: Page, run: Run, token: int | None, block: float, norm: str) -> Look:
    """The opened norm, in the model's last block when it has fewer."""
    traced = traced_run(page.library, run, token)
    return Look(run, traced, min(int(block), traced.model.config.n_layers - 1), norm)


def _chosen(event: gr.SelectData) -> int:
    return int(event.index)


def _fitted(look: Look, block: float) -> dict[str, Any]:
    """The block slider as this model and norm need it; its value is left alone, or it would jump under the finger."""
    last = look.traced.model.config.n_layers - 1
    fitted = gr.update(maximum=last, interactive=look.name != "final_norm")
    return fitted if block == look.block else fitted | {"value": look.block}


def _view(look: Look, view: str) -> list[Any]:
    """Updates from `shown` to the end of the outputs for one of VIEWS."""
    draw, _ = VIEWS[view]
    drawn = draw(look)
    second = gr.skip() if drawn.second is None else plot(drawn.second)
    second_area = gr.update(visible=drawn.second is not None)
    said = f'<p class="status">{escape(drawn.said)}</p>'
    shown = [
        gr.update(visible=True),
        gr.update(visible=False),
        said,
        plot(drawn.figure),
        second_area,
        second,
        drawn.table,
    ]
    return [*shown, *[gr.skip()] * 3]


def _example(*values: Any) -> list[Any]:
    """The same updates for the chapter's example."""
    return [gr.update(visible=False), gr.update(visible=True), *[gr.skip()] * 5, *layernorm_example.drawn(*values)]

"""The LayerNorm tab: any norm of the run's model at work on the run's tokens, and the chapter's own example."""

import gradio as gr

from ...runs import Run
from ...tracing import NORM_NAMES
from ..common.address_values import by_id
from ..common.block_choice import block_in, block_slider
from ..common.code_behind import code_area, code_value
from ..common.components import intro, note_area, plot_area, view_choice
from ..common.drawing import Updates, chosen_into
from ..common.page_context import Page
from ..common.tab_views import ViewArea, save_numbers
from ..common.token_strip import token_strip
from ..common.traced_run import traced_run
from ..common.traced_strip import traced_strip, traced_text
from . import chapter_example
from .view_code import view_code
from .views import VIEWS, Look, about

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
    note = note_area("norm-note")
    with gr.Row(equal_height=False, elem_classes=["sides"]):
        with gr.Column(scale=2, min_width=320):
            blocks, norms = _place_controls()
            with gr.Column(elem_classes=["selected-run"]):
                strip = token_strip("norm-strip")
            where = gr.HTML(elem_id="norm-where")
        with gr.Column(scale=5, min_width=320):
            view = view_choice("norm-view", [*VIEWS, EXAMPLE])
            with gr.Column(elem_id="norm-figures") as shown_area:
                area = _view_area()
                save = gr.Row()
                behind = code_area("norm-code")
            with gr.Column(visible=False) as example_area:
                example = chapter_example.build()

    def look(run: Run, token: int | None, block: float, norm: str) -> Look:
        traced = traced_run(page.library, run, token)
        number, _ = block_in(traced.model.config, block)
        return Look(traced, number, norm)

    def draw(run: Run, view: str, token: int | None, block: float, norm: str, *example_values: object) -> Updates:
        looked_at = look(run, token, block, norm)
        _, slider = block_in(looked_at.traced.model.config, block)
        is_example = view == EXAMPLE
        return {
            strip: traced_strip(looked_at.traced),
            where: traced_text(looked_at.traced),
            blocks: slider | {"interactive": norm != "final_norm"},
            shown_area: gr.update(visible=not is_example),
            example_area: gr.update(visible=is_example),
        } | (
            example.fn(*example_values)
            if is_example
            else area.updates(VIEWS[view].show(looked_at), about(view, looked_at))
            | {behind: code_value(view_code(view, looked_at))}
        )

    page.reachable(KEY, view=view, block=blocks, norm=norms)
    page.in_address(KEY, by_id(example.inputs))
    place = [view, page.position, blocks, norms]
    outputs = [strip, where, blocks, shown_area, example_area, *area.all(), behind, *example.outputs]
    drawing = page.drawing(draw, [*place, *example.inputs], outputs, note)
    page.when_opened(KEY, drawing)
    drawing.draw_on(blocks.input, norms.input, view.input, chosen_into(page.position, strip))
    with save:
        save_numbers(page, "norm-csv", VIEWS, look, about, place)


def _place_controls() -> tuple[gr.Slider, gr.Radio]:
    block = block_slider("norm-block", "Each has two norms; final_norm is after the last.")
    norm = gr.Radio(
        list(NORM_NAMES),
        value=NORM_NAMES[0],
        label="Norm",
        info="norm1 is before attention, norm2 before feed-forward.",
        elem_id="norm-name",
        elem_classes=["chips"],
    )
    return block, norm


def _view_area() -> ViewArea:
    said = gr.HTML(elem_id="norm-said", elem_classes=["flush"])
    figure = plot_area("norm-figure")
    with gr.Column(visible=False) as second_area:
        second = plot_area("norm-second")
    table = gr.HTML(elem_id="norm-numbers", elem_classes=["flush"])
    return ViewArea(said, figure, second, second_area, table)

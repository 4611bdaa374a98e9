"""Building blocks, section 4.3: GELU beside ReLU, over the numbers that this model feeds into it."""

import gradio as gr
from torch import Tensor

from ...chapter.feed_forward import feed_forward_pass, histogram
from ...chapter.gelu import activation_curves
from ...runs import Run
from ..common.block_choice import block_in, block_slider
from ..common.captions import About, about_traced
from ..common.code_behind import code_area, code_value
from ..common.components import plot, plot_area
from ..common.downloads import File, csv_file, save_button
from ..common.drawing import Drawing, Updates
from ..common.number_format import counted, percent
from ..common.page_context import Page
from ..common.page_html import status
from ..common.traced_run import traced_run
from .figures import derivative_figure, difference_figure, value_figure
from .panel_code import gelu_code

KEY = "gelu"
LABEL = "GELU"
SECTION = "section 4.3"
INTRO = (
    "ReLU has a corner at 0 and is flat below it; GELU bends, dips below 0 and keeps a slope almost everywhere. The "
    "histogram behind the curves is what this model feeds into its GELU: see which part of the curve a block uses."
)


def build(page: Page, note: gr.HTML) -> Drawing:
    """Three figures side by side over one range: values, derivatives, exact against tanh."""
    with gr.Row():
        ends = gr.Slider(1, 10, 4, step=0.5, label="Range", info="From minus to plus this number.", elem_id="reach")
        blocks = block_slider("gelu-block", "Whose numbers the histogram counts.")
    with gr.Row(elem_classes=["sides"]):
        with gr.Column(min_width=320):
            values = plot_area("gelu-values")
        with gr.Column(min_width=320):
            derivatives = plot_area("gelu-derivatives")
        with gr.Column(min_width=320):
            difference = plot_area("gelu-difference")
    said = gr.HTML(elem_id="gelu-said")
    with gr.Row():
        save_button("Save the curves as CSV", "save-gelu", _curves_file, [ends])
    behind = code_area("gelu-code")

    def draw(run: Run, position: int | None, reach: float, block: float) -> Updates:
        traced = traced_run(page.library, run, position)
        chosen, slider = block_in(traced.model.config, block)
        passed = feed_forward_pass(traced.model, traced.trace, chosen)
        curves = activation_curves(-reach, reach)
        shown = about_traced("Building blocks: GELU and ReLU", traced).at(block=chosen, range=f"±{reach:g}")
        spread = histogram(passed.preactivations, -reach, reach)
        return {
            blocks: slider,
            values: plot(value_figure(curves, spread, chosen), shown),
            derivatives: plot(derivative_figure(curves), _about("derivatives of GELU and ReLU", reach)),
            difference: plot(difference_figure(curves), _about("exact GELU and its tanh form", reach)),
            said: _said(run.model_name, chosen, passed.preactivations, reach),
            behind: code_value(gelu_code(traced, chosen, reach)),
        }

    outputs = [blocks, values, derivatives, difference, said, behind]
    drawing = page.drawing(draw, [page.position, ends, blocks], outputs, note)
    drawing.draw_on(ends.input, blocks.input)
    return drawing


def _said(name: str, block: int, values: Tensor, reach: float) -> str:
    tokens, neurons = values.shape
    above = float((values > 0).float().mean())
    outside = float((values.abs() > reach).float().mean())
    lowest, highest = (f"{float(end):.2f}".replace("-", "−") for end in values.aminmax())
    return status(
        f"{name}, block {block}: {counted(tokens, 'token')} × {counted(neurons, 'inner neuron')}. "
        f"{percent(above)} of the numbers lie above 0, {percent(outside)} outside this range; "
        f"they run from {lowest} to {highest}."
    )


def _about(what: str, reach: float) -> About:
    return About(f"Building blocks: {what}", places={"range": f"±{reach:g}"})


def _curves_file(reach: float) -> File:
    curves = activation_curves(-reach, reach)
    functions = {"relu": curves.relu, "gelu_exact": curves.exact, "gelu_tanh": curves.tanh}
    columns = {"x": curves.x}
    columns |= {name: curve.value for name, curve in functions.items()}
    columns |= {f"{name}_derivative": curve.derivative for name, curve in functions.items()}
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return csv_file(_about("GELU, ReLU and their derivatives", reach), list(columns), rows)

"""Building blocks, section 4.3: GELU beside ReLU, over the numbers that really reach it."""

from html import escape
from typing import Any

import gradio as gr
from torch import Tensor

from ..experiments import activation_curves, feed_forward_pass, histogram
from ..generation import Run
from .blocks_figures import derivative_figure, difference_figure, value_figure
from .blocks_shared import Drawn, block_in, block_slider, show_on
from .export import csv_file, save_button
from .numbers import percent
from .shared import Page, plot, plot_area
from .traces import traced_run

KEY = "gelu"
LABEL = "GELU"
SECTION = "section 4.3"
INTRO = (
    "ReLU has a corner at 0 and is flat below it; GELU bends, dips below 0 and keeps a slope almost everywhere. The "
    "hill behind the curves is what this model really feeds into its GELU: see which part of the curve a block uses."
)


def build(page: Page, note: gr.HTML) -> Drawn:
    """Three figures side by side over one range: values, derivatives, exact against tanh."""
    with gr.Row():
        reach = gr.Slider(1, 10, 4, step=0.5, label="Range", info="From minus to plus this number.", elem_id="reach")
        block = block_slider("gelu-block", "Whose numbers make the hill.")
    with gr.Row(elem_classes=["sides"]):
        plots = []
        for name in ("values", "derivatives", "difference"):
            with gr.Column(min_width=320):
                plots.append(plot_area(f"gelu-{name}"))
    said = gr.HTML(elem_id="gelu-said")
    with gr.Row():
        save_button("Save the curves as CSV", "save-gelu", _curves_file, [reach])

    def draw(run: Run, position: int | None, reach: float, block: float) -> tuple[Any, ...]:
        traced = traced_run(page.library, run, position)
        chosen, slider = block_in(traced.model.config, block)
        passed = feed_forward_pass(traced.model, traced.trace, chosen)
        curves = activation_curves(-reach, reach)
        spread = histogram(passed.preactivations, -reach, reach)
        figures = (value_figure(curves, spread, chosen), derivative_figure(curves), difference_figure(curves))
        return slider, *map(plot, figures), _said(run.model_name, chosen, passed.preactivations, reach)

    drawn: Drawn = (draw, [page.run, page.position, reach, block], [block, *plots, said])
    show_on([reach.input, block.input], note, drawn)
    return drawn


def _said(name: str, block: int, values: Tensor, reach: float) -> str:
    tokens, neurons = values.shape
    above = float((values > 0).float().mean())
    outside = float((values.abs() > reach).float().mean())
    lowest, highest = (f"{float(end):.2f}".replace("-", "−") for end in values.aminmax())
    return (
        f'<p class="status">{escape(name)}, block {block}: {tokens} tokens × {neurons:,} inner neurons. '
        f"{percent(above)} of the numbers lie above 0, {percent(outside)} outside this range; "
        f"they run from {lowest} to {highest}.</p>"
    )


def _curves_file(reach: float) -> dict[str, str]:
    curves = activation_curves(-reach, reach)
    functions = {"relu": curves.relu, "gelu_exact": curves.exact, "gelu_tanh": curves.tanh}
    columns = {"x": curves.x}
    columns |= {name: curve.value for name, curve in functions.items()}
    columns |= {f"{name}_derivative": curve.derivative for name, curve in functions.items()}
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return csv_file("activations", list(columns), rows)

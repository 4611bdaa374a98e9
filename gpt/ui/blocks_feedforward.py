"""Building blocks, section 4.3: the feed-forward network at work on one token of the run."""

from typing import Any

import gradio as gr

from ..experiments import FeedForwardPass, feed_forward_pass, strongest_neurons
from ..generation import Run
from .blocks_figures import layers_figure
from .blocks_shared import Drawn, bar, block_in, block_slider, show_on, token_html
from .export import csv_file, save_button
from .numbers import percent
from .shared import Page, plot, plot_area, table
from .strip import token_strip
from .traces import Traced, traced_run, traced_strip, traced_text

KEY = "feed-forward"
LABEL = "Feed-forward"
SECTION = "section 4.3"
INTRO = (
    "Every token on its own is stretched to four times its width, goes through GELU and is pressed back. Pick a token "
    "and a block: each small square is one number, orange above 0 and blue below; in the middle the orange ones fire."
)


def build(page: Page, note: gr.HTML) -> Drawn:
    """The strip to pick a token, the three layers as fields of squares, the strongest neurons."""
    with gr.Row(equal_height=False, elem_classes=["sides"]):
        with gr.Column(scale=2, min_width=250):
            block = block_slider("feed-forward-block", "Which block's feed-forward network.")
            with gr.Column(elem_classes=["opened-run"]):
                strip = token_strip("feed-forward-strip")
            where = gr.HTML(elem_id="feed-forward-where")
        with gr.Column(scale=4, min_width=320):
            layers = plot_area("feed-forward-layers")
        with gr.Column(scale=3, min_width=300):
            neurons = gr.HTML(elem_id="neurons", elem_classes=["flush"])
            save_row = gr.Row()

    def work(run: Run, index: int | None, block: float) -> tuple[Traced, FeedForwardPass]:
        """The opened stretch of the run, and the pass of the opened token alone."""
        traced = traced_run(page.library, run, index)
        chosen_block, _ = block_in(traced.model.config, block)
        return traced, feed_forward_pass(traced.model, traced.trace, chosen_block).at(traced.token)

    def draw(run: Run, index: int | None, block: float) -> tuple[Any, ...]:
        traced, passed = work(run, index, block)
        number, slider = block_in(traced.model.config, block)
        figure = layers_figure(passed, columns=traced.model.config.head_dim)
        heading = f"Block {number}, token {token_html(traced.trace.ids[traced.token])}"
        return traced_strip(run, traced), traced_text(run, traced), slider, plot(figure), _neurons(heading, passed)

    def save(run: Run | None, index: int | None, block: float) -> dict[str, str] | None:
        if run is None:
            return None
        _, passed = work(run, index, block)
        rows = zip(passed.preactivations[0].tolist(), passed.activations[0].tolist(), strict=True)
        return csv_file("neurons", ["neuron", "preactivation", "activation"], [(i, *row) for i, row in enumerate(rows)])

    drawn: Drawn = (draw, [page.run, page.position, block], [strip, where, block, layers, neurons])
    picked = strip.select(_index, None, [page.position], api_visibility="private")
    show_on([block.input, picked.then], note, drawn)
    with save_row:
        save_button("Save all neurons as CSV", "save-neurons", save, [page.run, page.position, block])
    return drawn


def _index(event: gr.SelectData) -> int:
    return int(event.index)


def _neurons(heading: str, passed: FeedForwardPass) -> str:
    d, wide = passed.entering.shape[1], passed.activations.shape[1]
    strongest = strongest_neurons(passed, 0, 8)
    longest = max(strongest[0].activation, 1e-30)
    rows = [
        [
            f"{neuron.index:,}",
            f"{neuron.preactivation:.3f}",
            f"{neuron.activation:.3f}",
            bar(max(neuron.activation, 0) / longest, "feed-forward"),
        ]
        for neuron in strongest
    ]
    return (
        f'<p class="status">{heading}: (1, {d:,}) → (1, {wide:,}) → (1, {d:,}). '
        f"{int(passed.firing.sum()):,} of {wide:,} neurons fire, that is pass on more than 0 "
        f"({percent(float(passed.firing.float().mean()))}). The strongest:</p>"
        + table(["Neuron", "receives", "passes on", ""], rows)
    )

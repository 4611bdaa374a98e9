"""Building blocks, section 4.3: the feed-forward network at work on one token of the run."""

import gradio as gr

from ...chapter.feed_forward import FeedForwardPass, feed_forward_pass, strongest_neurons
from ...runs import Run
from ..common.block_choice import block_in, block_slider
from ..common.captions import About, about_traced
from ..common.code_behind import code_area, code_value
from ..common.components import plot, plot_area
from ..common.downloads import File, csv_file
from ..common.drawing import Drawing, Updates, chosen_into
from ..common.head_field import signed_legend
from ..common.number_format import percent
from ..common.page_context import Page
from ..common.page_html import bar, table
from ..common.token_strip import token_strip
from ..common.traced_run import Traced, traced_run
from ..common.traced_strip import traced_strip, traced_text
from .figures import layers_figure
from .panel_code import feed_forward_code
from .panel_tokens import token_html

KEY = "feed-forward"
LABEL = "Feed-forward"
SECTION = "section 4.3"
INTRO = (
    "Every token alone is expanded to several times its width (four in the chapter), goes through GELU and is "
    "contracted again. Pick a token and a block: each small square is one number, orange above 0 and blue below; in "
    "the middle the orange ones fire."
)


def build(page: Page, note: gr.HTML) -> Drawing:
    """The strip to pick a token, the three layers as fields of squares, the strongest neurons."""
    with gr.Row(equal_height=False, elem_classes=["sides"]):
        with gr.Column(scale=2, min_width=250):
            blocks = block_slider("feed-forward-block", "Which block's feed-forward network.")
            with gr.Column(elem_classes=["selected-run"]):
                strip = token_strip("feed-forward-strip")
            where = gr.HTML(elem_id="feed-forward-where")
        with gr.Column(scale=4, min_width=320):
            layers = plot_area("feed-forward-layers")
            gr.HTML(signed_legend("each square is one number; every field has a scale of its own"))
        with gr.Column(scale=3, min_width=300):
            neurons = gr.HTML(elem_id="neurons", elem_classes=["flush"])
            save_row = gr.Row()
    behind = code_area("feed-forward-code")

    def work(run: Run, index: int | None, block: float) -> tuple[Traced, FeedForwardPass]:
        """The traced stretch of the run, and the pass of the selected token alone."""
        traced = traced_run(page.library, run, index)
        chosen_block, _ = block_in(traced.model.config, block)
        return traced, feed_forward_pass(traced.model, traced.trace, chosen_block).at(traced.token)

    def draw(run: Run, index: int | None, block: float) -> Updates:
        traced, passed = work(run, index, block)
        number, slider = block_in(traced.model.config, block)
        figure = layers_figure(passed, columns=traced.model.config.head_dim)
        heading = f"Block {number}, token {token_html(run.reader, traced.trace.ids[traced.token])}"
        return {
            strip: traced_strip(traced),
            where: traced_text(traced),
            blocks: slider,
            layers: plot(figure, _about(traced, number)),
            neurons: _neurons(heading, passed),
            behind: code_value(feed_forward_code(traced, number)),
        }

    def file(run: Run, index: int | None, block: float) -> File:
        traced, passed = work(run, index, block)
        about = _about(traced, block_in(traced.model.config, block)[0])
        rows = zip(passed.preactivations[0].tolist(), passed.activations[0].tolist(), strict=True)
        return csv_file(about, ["neuron", "preactivation", "activation"], [(i, *row) for i, row in enumerate(rows)])

    drawing = page.drawing(draw, [page.position, blocks], [strip, where, blocks, layers, neurons, behind], note)
    drawing.draw_on(blocks.input, chosen_into(page.position, strip))
    with save_row:
        page.save_button("Save all neurons as CSV", "save-neurons", file, [page.position, blocks])
    return drawing


def _about(traced: Traced, block: int) -> About:
    colours = "Orange: above 0. Blue: below 0. Every field has a scale of its own."
    return about_traced("Building blocks: feed-forward", traced, colours).at(block=block)


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

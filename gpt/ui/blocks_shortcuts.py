"""Building blocks, section 4.4: gradients with and without shortcuts, in the chapter's network and in the model."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ..generation import Run
from ..shortcuts import block_gradients, chapter_gradients
from .blocks_figures import gradient_figure
from .blocks_shared import Drawn, end_of, source
from .export import csv_file, save_button
from .shared import Page, plot, plot_area, table

KEY = "shortcuts"
LABEL = "Shortcuts"
SECTION = "section 4.4"
INTRO = (
    "A layer learns from the gradient that reaches it, and on the way back every layer multiplies it; a shortcut hands "
    "it on as it is. Compare the first layer with the last, in the chapter's small network and in the model itself."
)

# There and back through the model twice: more tokens than this and the panel is not there within a second.
_MOST_TOKENS = 64

_HEAD = ("with shortcuts", "without")


def build(page: Page, note: gr.HTML) -> Drawn:  # noqa: ARG001
    """Two figures on log axes, and their figures as tables."""
    with gr.Row(elem_classes=["sides"]):
        with gr.Column(min_width=320):
            small = plot_area("chapter-gradients")
            small_said = gr.HTML(elem_id="chapter-gradients-said")
        with gr.Column(min_width=320):
            large = plot_area("model-gradients")
            large_said = gr.HTML(elem_id="model-gradients-said")

    def draw(run: Run) -> tuple[Any, ...]:
        loaded = page.library.get(run.model_name)
        chapter = [chapter_gradients(shortcuts) for shortcuts in (True, False)]
        ids = end_of(_text(run), loaded, _MOST_TOKENS)
        found = block_gradients(loaded.model, ids)
        norms = [gradients.norms for gradients in found]
        losses = ", ".join(f"{each.loss:.3f} {name}" for each, name in zip(found, _HEAD, strict=True))
        return (
            plot(gradient_figure("Layer", 1, "Mean size of the weights' gradient", *chapter)),
            _said("The chapter's network", "Layer", 1, chapter),
            plot(gradient_figure("Block", 0, "Norm of the weights' gradient", *norms)),
            _said(f"{source(loaded, ids, _text(run))}, loss {losses}", "Block", 0, norms),
        )

    def save(run: Run | None) -> dict[str, str] | None:
        if run is None:
            return None
        loaded = page.library.get(run.model_name)
        found = block_gradients(loaded.model, end_of(_text(run), loaded, _MOST_TOKENS))
        rows = enumerate(zip(*(gradients.norms for gradients in found), strict=True))
        return csv_file("block-gradients", ["block", "norm_with", "norm_without"], [(i, *row) for i, row in rows])

    with gr.Row():
        save_button("Save the model's gradients as CSV", "save-gradients", save, [page.run])
    return draw, [page.run], [small, small_said, large, large_said]


def _text(run: Run) -> tuple[int, ...]:
    """The prompt; one token alone has no next token to be wrong about, so the generated ones join it."""
    return run.prompt_ids if len(run.prompt_ids) > 1 else run.ids


def _said(what: str, unit: str, first: int, gradients: Sequence[Sequence[float]]) -> str:
    """What was computed, how the gradient changed on its way, and all figures in a fold."""
    ratios = ", ".join(f"{_ratio(each)} {name}" for each, name in zip(gradients, _HEAD, strict=True))
    rows = [
        [f"{unit} {number}", *(f"{value:.6g}" for value in pair)]
        for number, pair in enumerate(zip(*gradients, strict=True), first)
    ]
    return (
        f'<p class="status">{what}. First {unit.lower()} ÷ last: {ratios}.</p>'
        f"<details><summary>Figures</summary>{table([unit, *_HEAD], rows)}</details>"
    )


def _ratio(gradients: Sequence[float]) -> str:
    return f"{gradients[0] / gradients[-1]:.3g}" if gradients[-1] else "nothing at all"

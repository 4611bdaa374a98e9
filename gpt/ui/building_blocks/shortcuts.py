"""Building blocks, section 4.4: gradients with and without shortcuts, in the chapter's network and in the model."""

from collections.abc import Callable, Sequence

import gradio as gr

from ...chapter.shortcuts import block_gradients, chapter_gradients
from ...runs import Run
from ..common.captions import About, about_run
from ..common.code_behind import code_area, code_value
from ..common.components import plot, plot_area
from ..common.downloads import File, csv_file, save_button
from ..common.drawing import Drawing, Updates
from ..common.page_context import Page
from ..common.page_html import table
from .figures import gradient_figure
from .panel_code import shortcuts_code
from .panel_tokens import last_tokens, model_and_tokens

KEY = "shortcuts"
LABEL = "Shortcuts"
SECTION = "section 4.4"
INTRO = (
    "A layer learns from the gradient that reaches it, and on the way back every layer multiplies it; a shortcut "
    "passes it on unchanged. Compare the first layer with the last, in the chapter's small network and in the model."
)

# Two forward and two backward passes: with more tokens the panel would take longer than a second.
_MOST_TOKENS = 64

_HEAD = ("with shortcuts", "without")
# The chapter prints 17 digits, of which a float32 number holds seven.
_CHAPTERS = "The chapter's network, as it prints it: from the eighth digit on it depends on the processor"

_CHAPTERS_ABOUT = About("Building blocks: gradients of the chapter's network")


def build(page: Page, note: gr.HTML) -> Drawing:
    """Two figures on logarithmic axes, and their numbers as tables."""
    with gr.Row(elem_classes=["sides"]):
        with gr.Column(min_width=320):
            small = plot_area("chapter-gradients")
            small_said = gr.HTML(elem_id="chapter-gradients-said")
        with gr.Column(min_width=320):
            large = plot_area("model-gradients")
            large_said = gr.HTML(elem_id="model-gradients-said")

    def draw(run: Run) -> Updates:
        loaded = page.library.get(run.model_name)
        chapter = [chapter_gradients(shortcuts) for shortcuts in (True, False)]
        ids = last_tokens(_text(run), loaded, _MOST_TOKENS)
        found = block_gradients(loaded.model, ids)
        norms = [gradients.norms for gradients in found]
        losses = ", ".join(f"{each.loss:.3f} {name}" for each, name in zip(found, _HEAD, strict=True))
        what = f"{model_and_tokens(loaded, ids, _text(run))}, loss {losses}"
        return {
            small: plot(gradient_figure("Layer", 1, "Mean size of the weights' gradient", *chapter), _CHAPTERS_ABOUT),
            small_said: _said(_CHAPTERS, "Layer", 1, chapter, str),  # as it prints them
            large: plot(gradient_figure("Block", 0, "Norm of the weights' gradient", *norms), _about(run)),
            large_said: _said(what, "Block", 0, norms),
            behind: code_value(shortcuts_code(run, len(ids))),
        }

    def file(run: Run) -> File:
        loaded = page.library.get(run.model_name)
        found = block_gradients(loaded.model, last_tokens(_text(run), loaded, _MOST_TOKENS))
        rows = enumerate(zip(*(gradients.norms for gradients in found), strict=True))
        return csv_file(_about(run), ["block", "norm_with", "norm_without"], [(i, *row) for i, row in rows])

    def chapters_file() -> File:
        rows = enumerate(zip(*(chapter_gradients(shortcuts) for shortcuts in (True, False)), strict=True), 1)
        header = ["layer", "mean_with", "mean_without"]
        return csv_file(_CHAPTERS_ABOUT, header, [(layer, *pair) for layer, pair in rows])

    with gr.Row():
        save_button("Save the chapter's gradients as CSV", "save-chapter-gradients", chapters_file, [])
        page.save_button("Save the model's gradients as CSV", "save-gradients", file)
    behind = code_area("shortcuts-code")
    return page.drawing(draw, [], [small, small_said, large, large_said, behind], note)


def _about(run: Run) -> About:
    return about_run("Building blocks: gradients of the model", run)


def _text(run: Run) -> tuple[int, ...]:
    """The prompt; for a prompt of one token, which has no next token to predict, the whole text."""
    return run.prompt_ids if len(run.prompt_ids) > 1 else run.ids


def _six_digits(value: float) -> str:
    return f"{value:.6g}"


def _said(
    what: str,
    unit: str,
    first: int,
    gradients: Sequence[Sequence[float]],
    written: Callable[[float], str] = _six_digits,
) -> str:
    """What was computed, how the gradient changed on its way, and all figures in a collapsible table."""
    ratios = ", ".join(f"{_ratio(each)} {name}" for each, name in zip(gradients, _HEAD, strict=True))
    rows = [
        [f"{unit} {number}", *map(written, pair)] for number, pair in enumerate(zip(*gradients, strict=True), first)
    ]
    return (
        f'<p class="status">{what}. First {unit.lower()} ÷ last: {ratios}.</p>'
        f"<details><summary>Figures</summary>{table([unit, *_HEAD], rows)}</details>"
    )


def _ratio(gradients: Sequence[float]) -> str:
    return f"{gradients[0] / gradients[-1]:.3g}" if gradients[-1] else "nothing at all"

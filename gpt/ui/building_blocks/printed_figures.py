"""Building blocks: what the chapter prints of its own models, computed here."""

import gradio as gr
from torch import Tensor

from ...chapter.printed_figures import BATCH, NEW_TOKENS, START, PrintedFigures, printed_figures
from ...model_reference import CHAPTER_SEED
from ...runs import Run
from ...tokenizer import Tokenizer
from ..common.code_behind import code_area, code_value
from ..common.drawing import Drawing, Updates
from ..common.page_context import Page
from ..common.page_html import table
from .panel_code import printed_code
from .panel_tokens import token_html

KEY = "printed"
LABEL = "Printed figures"
SECTION = "sections 4.1, 4.6 and 4.7"
INTRO = (
    "What the chapter prints of its own models, computed here from its seed: compare them with the book. The logits "
    "are "
    "those of training mode, in which dropout still sets some numbers to 0."
)

_GPT2 = Tokenizer()  # of the chapter's models, whatever the run's


def build(page: Page, note: gr.HTML) -> Drawing:
    """The logits of the placeholder and of the whole model, and the text of 4.7."""
    shown = gr.HTML(elem_id="printed-figures", elem_classes=["flush"])

    def draw(run: Run) -> Updates:  # noqa: ARG001  the chapter's models, whatever the run's
        found = printed_figures()
        shape = f"({', '.join(map(str, found.logits_shape))})"
        return {
            shown: _part("4.1", f"Logits of the placeholder model, {shape}", _logits(found, found.placeholder_logits))
            + _part("4.6", f"Logits of GPTModel, {shape}", _logits(found, found.model_logits))
            + _part("4.7", "“Hello, I am” and six more tokens, greedy, without dropout", _text(found.text_ids)),
            behind: code_value(printed_code(BATCH, START, NEW_TOKENS)),
        }

    behind = code_area("printed-code")
    return page.drawing(draw, [], [shown, behind], note)


def _part(section: str, title: str, body: str) -> str:
    return f'<h2 class="printed-title">{section} {title}, seed {CHAPTER_SEED}</h2>{body}'


def _logits(found: PrintedFigures, ends: Tensor) -> str:
    """Of each row of logits the first and the last three, as the chapter prints them: (2, 4, 6)."""
    rows = [
        [
            f"text {text + 1} {token_html(_GPT2, token_id)} <small>{token_id}</small>",
            *(f"{value:.4f}" for value in row[:3]),
            "…",
            *(f"{value:.4f}" for value in row[3:]),
        ]
        for text, (ids, table_rows) in enumerate(zip(BATCH, ends.tolist(), strict=True))
        for token_id, row in zip(ids, table_rows, strict=True)
    ]
    n = found.logits_shape[-1]
    return table(["after token", *map(str, range(3)), "", *map(str, range(n - 3, n))], rows)


def _text(ids: tuple[int, ...]) -> str:
    pieces = (
        f'<span class="numbered">{token_html(_GPT2, token_id, "new" if place >= len(START) else "")}'
        f"<small>{token_id}</small></span>"
        for place, token_id in enumerate(ids)
    )
    return f'<p class="turn">{"".join(pieces)} <span class="shape">(1, {len(ids)})</span></p>'

"""Building blocks, section 4.1: the placeholder model, and the real parts put into it one by one."""

from typing import Any

import gradio as gr

from ..figures import COLOURS
from ..generation import Run
from ..placeholder import PARTS, PartsResult, compare_parts
from .blocks_shared import Drawn, bar, end_of, show_on, source, token_html
from .numbers import bits, percent
from .shared import Page, table

KEY = "placeholder"
LABEL = "Placeholder"
SECTION = "section 4.1"
INTRO = (
    "The chapter begins with a model whose blocks do nothing and fills in one part per section. Read downwards: what "
    "each model says comes next, and how much of its probability lies where the whole model puts it."
)

_LADDER = [tuple(PARTS)[:count] for count in range(len(PARTS) + 1)]
_NAMES = ["4.1 placeholder", *(f"{section} + {name}" for name, section in PARTS.items()), "Your own model"]
_IDEAS = {"LayerNorm": "norms", "feed-forward": "feed-forward", "shortcuts": "original", "attention": "attention"}


def build(page: Page, note: gr.HTML) -> Drawn:
    """A row for every step of the chapter, and one for the visitor's own choice of parts."""
    ladder = gr.HTML(elem_id="ladder")
    parts = gr.CheckboxGroup(
        list(PARTS),
        value=[name for name in PARTS if name != "LayerNorm"],
        label="Your own model",
        info="Which parts are real in the last row; the embeddings and the output head always are.",
        elem_id="parts",
    )

    def draw(run: Run, chosen: list[str]) -> tuple[Any, ...]:
        loaded = page.library.get(run.model_name)
        ids = end_of(run.prompt_ids, loaded)
        results = compare_parts(loaded.model, ids, [*_LADDER, chosen], n=3)
        rows = [_row(name, result) for name, result in zip(_NAMES, results, strict=True)]
        head = ["Model", *PARTS, "Likeliest next tokens", "Agreement", "Divergence"]
        return (f'<p class="status">{source(loaded, ids, run.prompt_ids)}</p>{table(head, rows, "ladder")}',)

    drawn: Drawn = (draw, [page.run, parts], [ladder])
    show_on([parts.input], note, drawn)
    return drawn


def _row(name: str, result: PartsResult) -> list[str]:
    tokens = " ".join(f"{token_html(row.token_id)} {percent(row.probability)}" for row in result.tokens)
    return [
        name,
        *(_dot(part, part in result.parts) for part in PARTS),
        tokens or "its numbers overflowed",
        f"{percent(result.overlap)} {bar(result.overlap, 'kept')}",
        bits(result.divergence_bits),
    ]


def _dot(part: str, real: bool) -> str:
    said = "real" if real else "placeholder"
    colour = f"--colour:{COLOURS[_IDEAS[part]]}" if real else ""
    kind = "dot" if real else "dot none"
    return f'<span class="{kind}" style="{colour}" role="img" aria-label="{said}" title="{said}"></span>'

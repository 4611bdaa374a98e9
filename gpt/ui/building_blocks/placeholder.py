"""Building blocks, section 4.1: the placeholder model, and the real parts put into it one by one."""

from math import isfinite

import gradio as gr

from ...chapter.placeholder import PARTS, PartsResult, compare_parts
from ...library import LoadedModel
from ...runs import Run
from ...tokenizer import AnyTokenizer
from ..common.captions import about_run
from ..common.code_behind import code_area, code_value
from ..common.colours import COLOURS
from ..common.downloads import File, csv_file
from ..common.drawing import Drawing, Updates
from ..common.number_format import MANY, bits, chance, percent
from ..common.page_context import Page
from ..common.page_html import bar, table
from ..common.saved_pictures import pictured
from .panel_code import placeholder_code
from .panel_tokens import last_tokens, model_and_tokens, token_html

KEY = "placeholder"
LABEL = "Placeholder"
SECTION = "section 4.1"
INTRO = (
    "The chapter begins with a model whose blocks do nothing and fills in one part per section. Read downwards: what "
    "each model says comes next, and how much of its probability lies where the whole model puts it."
)

_WHY_SO_FAR = (
    "Such a divergence is no mistake: without LayerNorm the numbers grow from block to block, and the logits with "
    "them. In the end the model is almost certain of one token, and what the whole model expects lies that many bits "
    "below it."
)
_LADDER = [tuple(PARTS)[:count] for count in range(len(PARTS) + 1)]
_NAMES = ["4.1 placeholder", *(f"{section} + {name}" for name, section in PARTS.items()), "Your own model"]
_IDEAS = {"LayerNorm": "norms", "feed-forward": "feed-forward", "shortcuts": "original", "attention": "attention"}

_WHAT = "Building blocks: placeholder"
_COLUMNS = (
    "network",
    *PARTS,
    *("rank", "token id", "token", "probability"),
    *("agreement", "divergence in bits"),
)


def build(page: Page, note: gr.HTML) -> Drawing:
    """A row for every step of the chapter, and one for the parts that the visitor chooses."""
    ladder = gr.HTML(elem_id="ladder")
    parts = gr.CheckboxGroup(
        list(PARTS),
        value=[name for name in PARTS if name != "LayerNorm"],
        label="Your own model",
        info="Which parts are real in the last row; the embeddings and the output head always are.",
        elem_id="parts",
    )

    def compared(run: Run, chosen: list[str]) -> tuple[LoadedModel, tuple[int, ...], tuple[PartsResult, ...]]:
        loaded = page.library.get(run.model_name)
        ids = last_tokens(run.prompt_ids, loaded)
        return loaded, ids, compare_parts(loaded.model, ids, [*_LADDER, chosen], n=3)

    def draw(run: Run, chosen: list[str]) -> Updates:
        loaded, ids, results = compared(run, chosen)
        rows = [_row(run.reader, name, result) for name, result in zip(_NAMES, results, strict=True)]
        head = ["Model", *PARTS, "Likeliest next tokens", "Agreement", "Divergence"]
        said = model_and_tokens(loaded, ids, run.prompt_ids)
        is_huge = any(isfinite(result.divergence_bits) and result.divergence_bits >= MANY for result in results)
        why = f'<p class="hint">{_WHY_SO_FAR}</p>' if is_huge else ""
        shown = f'<p class="status">{said}</p>{table(head, rows, "ladder")}{why}'
        return {
            ladder: pictured(about_run(_WHAT, run), shown),
            behind: code_value(placeholder_code(run, len(ids), chosen)),
        }

    def file(run: Run, chosen: list[str]) -> File:
        _, _, results = compared(run, chosen)
        rows = [
            [
                name,
                *(int(part in result.parts) for part in PARTS),
                *(row.rank, row.token_id, run.reader.visible(row.token_id), row.probability),
                result.overlap,
                result.divergence_bits,
            ]
            for name, result in zip(_NAMES, results, strict=True)
            for row in result.tokens
        ]
        return csv_file(about_run(_WHAT, run), _COLUMNS, rows)

    with gr.Row():
        page.save_button("Save these numbers as CSV", "save-placeholder", file, [parts])
    behind = code_area("placeholder-code")
    drawing = page.drawing(draw, [parts], [ladder, behind], note)
    drawing.draw_on(parts.input)
    return drawing


def _row(reader: AnyTokenizer, name: str, result: PartsResult) -> list[str]:
    tokens = " ".join(f"{token_html(reader, row.token_id)} {chance(row.probability)}" for row in result.tokens)
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

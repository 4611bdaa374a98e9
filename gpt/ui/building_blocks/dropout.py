"""Building blocks, exercise 4.3: a dropout rate for each of the three places."""

import gradio as gr

from ...chapter.dropout import PLACES, DropoutPass, dropout_passes
from ...config import DropRates
from ...runs import Run
from ...tokenizer import AnyTokenizer, tokenizer_of
from ..common.code_behind import code_area, code_value
from ..common.drawing import Drawing, Updates
from ..common.number_format import chance, percent
from ..common.page_context import Page
from ..common.page_html import bar, table
from .panel_code import dropout_code
from .panel_tokens import last_tokens, model_and_tokens, token_html

KEY = "dropout"
LABEL = "Dropout"
SECTION = "exercise 4.3"
INTRO = (
    "While a model is trained, dropout sets some numbers to 0, others each time. Give each of its three places a rate "
    "of its own, and see how many numbers are lost there and what becomes of the prediction."
)

_NAMES = {"drop_emb": "embeddings", "dropout": "attention weights", "drop_shortcut": "before the shortcuts"}
_SEEDS = (123, 124, 125)
_MOST_TOKENS = 64


def build(page: Page, note: gr.HTML) -> Drawing:
    """Three sliders, what each place lost, and what the model says next in several passes."""
    with gr.Row():
        rates = [
            gr.Slider(0, 0.9, 0.1, step=0.05, label=_NAMES[place].capitalize(), info=field, elem_id=f"rate-{place}")
            for place, field in PLACES.items()
        ]
    shown = gr.HTML(elem_id="dropout-passes", elem_classes=["flush"])

    def draw(run: Run, *chosen: float) -> Updates:
        loaded = page.library.get(run.model_name)
        ids = last_tokens(run.prompt_ids, loaded, _MOST_TOKENS)
        passes = dropout_passes(loaded.model, ids, DropRates(*chosen), _SEEDS)
        said = f'<p class="status">{model_and_tokens(loaded, ids, run.prompt_ids)}</p>'
        return {
            shown: f"{said}{_places(passes[1])}{_predictions(tokenizer_of(loaded.model), passes)}",
            behind: code_value(dropout_code(run, len(ids), dict(zip(PLACES, chosen, strict=True)), _SEEDS)),
        }

    behind = code_area("dropout-code")
    drawing = page.drawing(draw, rates, [shown, behind], note)
    drawing.draw_on(*(rate.input for rate in rates))
    return drawing


def _places(passed: DropoutPass) -> str:
    rows = [
        [
            f"{_NAMES[each.place]} <code>{each.place}</code>",
            f"{each.rate:g}",
            f"{each.numbers:,}",
            f"{each.zeroed:,}",
            f"{percent(each.zeroed / each.numbers)} {bar(each.zeroed / each.numbers, 'cut')}",
        ]
        for each in passed.dropped
    ]
    return table(["place", "rate", "numbers", f"set to 0, seed {passed.seed}", "share"], rows)


def _predictions(reader: AnyTokenizer, passes: tuple[DropoutPass, ...]) -> str:
    rows = [
        [
            "without dropout" if each.seed is None else f"with dropout, seed {each.seed}",
            " ".join(f"{token_html(reader, row.token_id)} {chance(row.probability)}" for row in each.tokens),
        ]
        for each in passes
    ]
    return table(["pass", "likeliest next tokens"], rows)

"""What stands beside the map for the selected box: what it does, and its code line by line, or a table without code."""

from dataclasses import dataclass
from html import escape

from ...recording.attention_scores import head_scores
from ...recording.tensor_summary import summarize
from ...sampling import PLAIN_SOFTMAX, token_table
from ...tokenizer import tokenizer_of
from ..common.glossary import hinted
from ..common.number_format import chance, real
from ..common.page_html import bar, table
from .attention_steps import following_html
from .boxes import Look
from .code_lines import LEGEND, code_html

_SHOWN_CANDIDATES = 8


@dataclass(frozen=True)
class BoxDetails:
    """What is shown of a box, HTML each: "" for what it does not have."""

    heading: str
    follow: str
    code: str


def box_details(look: Look, followed: str | None) -> BoxDetails:
    """Everything that stands beside the map for the chosen box; followed is the cell that `following_html` takes."""
    box = look.box
    place = f" of block {look.block}" if "{block}" in box.module else f" {look.block}" if box.key == "block" else ""
    heading = (
        f'<h2 class="box-title">{escape(box.title)}{place} <span class="section">{escape(box.section)}</span></h2>'
        f'<p class="box-said">{hinted(box.said)}</p>'
    )
    follow = _follow(look, followed) if box.key == "attention" else ""
    if box.defined:
        code = LEGEND + code_html(box, look.recording, look.traced.token, look.head)
    else:
        code = _ids(look) if box.key == "prompt" else _candidates(look)
    return BoxDetails(heading, follow, code)


def _follow(look: Look, followed: str | None) -> str:
    traced = look.traced
    scores = head_scores(traced.model, look.recording, look.head)
    return following_html(scores, traced.labels_read, traced.numbers_read[0], traced.token, look.head, followed)


def _ids(look: Look) -> str:
    """The tokens that were read, with their numbers in the vocabulary."""
    traced = look.traced
    rows = [
        [str(number), f"<code>{escape(label)}</code>", f"{token_id:,}"]
        for number, label, token_id in zip(traced.numbers, traced.labels, traced.trace.ids, strict=True)
    ]
    return table(["place", "token", "its number in the vocabulary"], rows, "tall")


def _candidates(look: Look) -> str:
    """The likeliest next tokens: logit, probability, and which one the text goes on with."""
    logits, reader = look.logits, tokenizer_of(look.traced.model)
    rows = [
        [
            f"{row.rank}{' ◂ follows in the text' if row.token_id == look.next_id and not look.is_end else ''}",
            f"<code>{escape(reader.visible(row.token_id))}</code>",
            real(row.logit),
            chance(row.probability),
            bar(row.probability, "kept"),
        ]
        for row in token_table(logits, PLAIN_SOFTMAX, _SHOWN_CANDIDATES).tokens
    ]
    summary = summarize(logits[None], 0, 0)
    said = (
        f"{summary.n_numbers:,} logits with mean {real(summary.mean)} and deviation {real(summary.deviation)} become "
        f"as many probabilities. The {_SHOWN_CANDIDATES} likeliest:"
    )
    return f'<p class="status">{said}</p>' + table(["rank", "token", "logit", "probability", ""], rows)

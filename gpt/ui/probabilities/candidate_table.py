"""The table of candidate tokens with a bar beside each probability: rows can be chosen by pointer and keyboard.

A gr.HTML like the token strip; its value is structured data, which the template here turns into HTML.
"""

from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from ...sampling import Sampling, TokenRow, TokenTable
from ...tokenizer import AnyTokenizer
from ..common.captions import About
from ..common.choice_script import CHOOSING
from ..common.number_format import fine_chance, fine_percent
from ..common.saved_pictures import words_of

# One JavaScript expression over the value. Text goes through `escape` before it becomes HTML.
_TEMPLATE = r"""${(() => {
  const escape = (text) => String(text).replace(/[&<>"'`]/g, (c) => '&#' + c.charCodeAt(0) + ';');
  if (!value || !value.rows.length) return '';
  const share = (kind, text, part) => '<td class="share"><span class="number">' + escape(text) +
    '</span><span class="track"><span class="' + kind + (part > 1 ? ' beyond' : '') + '" style="width:' +
    Number(100 * Math.min(1, part)) + '%"></span></span></td>';
  const figures = (row) => share('whole', row.probability, row.probability_part) +
    share('after', row.sampling, row.sampling_part) + '<td class="fate">' + escape(row.fate) + '</td>';
  const token = (row) => '<tr class="candidate-row ' + (row.kept ? 'kept' : 'cut') + (row.chosen ? ' chosen' : '') +
    '"><td>' + escape(row.rank) + '</td><td class="name">' +
    '<button type="button" class="candidate" data-index="' + Number(row.token_id) + '" aria-pressed="' +
    Boolean(row.chosen) + '" aria-label="' + escape(row.label) + '">' + escape(row.text) + '</button>' +
    (row.mark ? '<span class="mark">' + escape(row.mark) + '</span>' : '') + '</td><td>' + Number(row.token_id) +
    '</td><td>' + escape(row.logit) + '</td>' + figures(row) + '</tr>';
  return '<span hidden data-picture="' + escape(value.picture) + '"></span>' +
    '<div class="scroll"><table class="candidates"><thead><tr><th>rank</th><th class="name">token</th>' +
    '<th>id</th><th>logit</th><th class="share">probability</th><th class="share">' + escape(value.after) +
    '</th><th class="fate">filter</th></tr></thead><tbody>' + value.rows.map(token).join('') +
    '<tr class="others"><td></td><td class="name" colspan="3">' + escape(value.others.text) + '</td>' +
    figures(value.others) + '</tr></tbody></table></div>';
})()}"""

_EVENTS = CHOOSING + "chooseFrom('.candidate-row', () => ({ArrowDown: 1, ArrowUp: -1}));"


@dataclass(frozen=True)
class Candidate:
    """One row as the page shows it; parts are lengths of bars, 1 the full track."""

    token_id: int
    text: str
    label: str
    rank: str
    logit: str
    probability: str
    probability_part: float
    sampling: str
    sampling_part: float
    fate: str
    kept: bool
    chosen: bool
    mark: str


def candidate_table(elem_id: str) -> gr.HTML:
    """An empty table; its `select` event carries the id of the chosen token as index."""
    return gr.HTML(value=None, html_template=_TEMPLATE, js_on_load=_EVENTS, elem_id=elem_id)


COLUMNS = ("rank", "token_id", "token", "logit", "probability", "sampling_probability", "filter", "note")


def step_rows(table: TokenTable, reader: AnyTokenizer, marks: dict[int, str]) -> list[tuple[Any, ...]]:
    """The table for a file, under COLUMNS, in full precision: its last row is all the other tokens."""
    rows = [
        (
            row.rank,
            row.token_id,
            reader.visible(row.token_id),
            row.logit,
            row.probability,
            row.sampling_probability,
            _fate(row),
            marks.get(row.token_id, ""),
        )
        for row in table.tokens
    ]
    name = f"all {table.other_count} other tokens"
    fate = f"{table.other_kept} kept"
    return [*rows, ("", "", name, "", table.other_probability, table.other_sampling_probability, fate, "")]


def candidates(
    table: TokenTable, reader: AnyTokenizer, sampling: Sampling, marks: dict[int, str], chosen: int, about: About
) -> dict[str, Any]:
    """What a `candidate_table` shows: marks say what happened to a token, chosen is the id of the chosen row."""
    largest = max(max(row.probability, row.sampling_probability) for row in table.tokens)
    count = f"{table.other_count:,}"
    return {
        "picture": words_of(about),
        "after": after_settings(sampling),
        "rows": [
            asdict(_candidate(row, reader.visible(row.token_id), largest, marks.get(row.token_id, ""), chosen))
            for row in table.tokens
        ],
        "others": {
            "text": f"all {count} other tokens" if table.other_count else "no other tokens",
            "probability": fine_percent(table.other_probability),
            "probability_part": table.other_probability / largest,
            "sampling": _share(table.other_sampling_probability, table.other_kept > 0),
            "sampling_part": table.other_sampling_probability / largest,
            "fate": f"{table.other_kept:,} kept",
        },
    }


def after_settings(sampling: Sampling) -> str:
    """The settings as the head of a column: after T 0.8, top-k 50."""
    if sampling.greedy:
        return "after greedy"
    parts = [f"T {sampling.temperature:g}"]
    parts += [f"top-k {sampling.top_k:g}"] * (sampling.top_k > 0) + [f"top-p {sampling.top_p:g}"] * (sampling.top_p < 1)
    return "after " + ", ".join(parts)


def _candidate(row: TokenRow, text: str, largest: float, mark: str, chosen: int) -> Candidate:
    sampling = _share(row.sampling_probability, row.kept)
    fate = _fate(row)
    return Candidate(
        token_id=row.token_id,
        text=text,
        label=f"{text}, rank {row.rank:,}, {fine_chance(row.probability)}, after the settings {sampling}, {fate}",
        rank=f"{row.rank:,}",
        logit=f"{row.logit:.4f}",
        probability=fine_chance(row.probability),
        probability_part=row.probability / largest,
        sampling=sampling,
        sampling_part=row.sampling_probability / largest,
        fate=fate,
        kept=row.kept,
        chosen=row.token_id == chosen,
        mark=mark,
    )


def _fate(row: TokenRow) -> str:
    return "kept" if row.kept else f"cut by {row.cut_by}"


def _share(probability: float, kept: bool) -> str:
    """0 only for a token that was cut: a kept one may be too improbable for a float64, and is then above 0 too."""
    if not kept:
        return "0"
    return fine_percent(probability or 1e-300)

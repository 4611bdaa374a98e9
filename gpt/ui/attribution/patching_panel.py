"""Swap a state: two prompts, and how much of the first one's answer comes back when one of its states is put into the
pass over the second.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from ...attribution.named_token import one_token
from ...attribution.patching import PromptPair, estimated_patching, patched_rows, prompt_pair
from ...library import Library
from ...runs import Run, check_prompt
from ...tokenizer import tokenizer_of
from ...tracing import WINDOW
from ..common.captions import About
from ..common.code_behind import code_area, code_value
from ..common.code_pieces import Code
from ..common.components import note_area, plot, plot_area
from ..common.downloads import File, csv_file
from ..common.drawing import MODEL_EVENT, Listener, Updates
from ..common.page_context import Page
from ..common.stoppable_work import Ongoing, stop_for, stop_when_clicked
from .figures import patch_grid
from .panel_code import swapping_code
from .view_panel import Kept, Panel, limits, said_html, small_button, streaming


@dataclass(frozen=True)
class Pair:
    """Two prompts, and a token of the first one's answer with its rival of the second's."""

    taken_from: str
    put_into: str
    token: str
    rival: str


_STORIES = {
    "king or queen": Pair("The king said that", "The queen said that", " he", " she"),
    "hungry or sleepy": Pair("He felt hungry and wanted to", "He felt sleepy and wanted to", " eat", " sleep"),
    "one boy or two": Pair("The little boy ran home. When", "The two boys ran home. When", " he", " they"),
}
_CLASSICS = {
    "who gets the drink": Pair(
        "When Mary and John went to the store, John gave a drink to",
        "When Mary and John went to the store, Mary gave a drink to",
        " Mary",
        " John",
    ),
    "Paris or Rome": Pair(
        "The capital of France is the city of", "The capital of Italy is the city of", " Paris", " Rome"
    ),
}
PAIRS = _STORIES | _CLASSICS

_rows: Kept[Tensor] = Kept()
Question = tuple[str, str, str, str, str]  # model name, and a Pair


@dataclass(frozen=True)
class _Components:
    area: gr.Column
    pair: gr.Radio
    taken_from: gr.Textbox
    put_into: gr.Textbox
    token: gr.Textbox
    rival: gr.Textbox
    said: gr.HTML
    figure: gr.Plot
    measure: gr.Button
    stop: gr.Button
    note: gr.HTML
    save: gr.Row
    code: gr.HTML

    @property
    def prompts(self) -> list[gr.Textbox]:
        """The fields of a Pair."""
        return [self.taken_from, self.put_into, self.token, self.rival]


def build(page: Page, _: gr.HTML) -> Panel:
    """Lay the panel out, hidden, and wire what only it changes."""
    made = _lay_out()
    ongoing = Ongoing()

    def draw(run: Run, _: int | None, *pair: str) -> Updates:
        question = _question(run, pair)
        read = _read(page.library, question)
        rows = _rows.in_a_moment(question, _steps(read), len(read.traced_from.blocks))
        missing = len(rows) < len(read.traced_from.blocks)
        return _drawn(made, question, read, rows) | {made.measure: gr.update(interactive=missing)}

    def measured(run: Run, *pair: str) -> Iterator[Updates]:
        question = _question(run, pair)
        read = _read(page.library, question)
        for rows in _rows.more(question, _steps(read)):
            yield _drawn(made, question, read, rows)

    def take(name: str) -> Updates:
        pair = PAIRS[name]
        return dict(zip(made.prompts, (pair.taken_from, pair.put_into, pair.token, pair.rival), strict=True))

    def file(run: Run, *pair: str) -> File:
        return csv_file(_about(run.model_name, pair), *_numbers(page.library, _question(run, pair)))

    taken = made.pair.input(take, [made.pair], made.prompts, api_visibility="private")
    made.measure.click(
        streaming(ongoing, made.stop, made.note, measured),
        [page.run, *made.prompts],
        [made.said, made.figure, made.code, made.stop, made.note],
        **MODEL_EVENT,
    )
    stop_when_clicked(made.stop, ongoing)
    with made.save:
        page.save_button("Save these numbers as CSV", "swap-csv", file, made.prompts)
    redraws: list[Listener] = [taken.then]
    for field in made.prompts:
        redraws += [field.submit, field.blur]
    shown = [made.said, made.figure, made.code, made.measure]
    controls = [made.pair, *made.prompts]
    return Panel(made.area, made.note, draw, made.prompts, shown, redraws, controls, ongoing)


def _lay_out() -> _Components:
    made: dict[str, Any] = {}
    first = next(iter(PAIRS))
    with gr.Column(visible=False) as made["area"]:
        made["pair"] = gr.Radio(
            list(PAIRS),
            value=first,
            label="Two prompts",
            info="The last two are for GPT-2. Or write two of your own below, with the same number of tokens.",
            elem_id="swap-pair",
            elem_classes=["chips"],
        )
        with gr.Row():
            made["taken_from"] = gr.Textbox(
                PAIRS[first].taken_from,
                label="Take a state from",
                info="The prompt whose answer may come back.",
                elem_id="swap-from",
            )
            made["put_into"] = gr.Textbox(
                PAIRS[first].put_into,
                label="Put it into",
                info="The prompt that is read, with one state exchanged.",
                elem_id="swap-into",
            )
        with gr.Row():
            made["token"] = gr.Textbox(
                PAIRS[first].token,
                label="Answer of the first",
                info="One token with its space, or # and its id.",
                elem_id="swap-token",
            )
            made["rival"] = gr.Textbox(
                PAIRS[first].rival,
                label="Answer of the second",
                info="One token with its space, or # and its id.",
                elem_id="swap-rival",
            )
        made["said"] = gr.HTML(elem_id="swap-said", elem_classes=["flush"])
        made["figure"] = plot_area("swap-figure")
        with gr.Row():
            made["measure"] = small_button("Swap the other states too", "swap-measure")
            made["stop"] = stop_for("swap-stop", size="sm")
        made["note"] = note_area("swap-note")
        limits(
            "A state that brings the answer back holds what the prompts differ in. It does not follow that the model "
            "uses this state in other texts."
        )
        made["save"] = gr.Row()
        made["code"] = code_area("swap-code")
    return _Components(**made)


def _about(model_name: str, pair: Sequence[str], estimate: str = "") -> About:
    taken_from, put_into, token, rival = pair
    colours = f"Orange: the first prompt's answer comes back. Blue: it moves away.{estimate}"
    places = {"answer": f"“{token}” rather than “{rival}”"}
    return About("Inside: swap a state", model_name, f"{taken_from} → {put_into}", places, colours=colours)


def _question(run: Run, pair: Sequence[str]) -> Question:
    taken_from, put_into, token, rival = pair
    return run.model_name, taken_from, put_into, token, rival


def _read(library: Library, question: Question) -> PromptPair:
    """The prompts, read. Raises ValueError for those that cannot be compared."""
    model_name, taken_from, put_into, token, rival = question
    check_prompt(taken_from)
    check_prompt(put_into)
    model = library.get(model_name).model
    reader = tokenizer_of(model)
    ids_from, ids_into = reader.encode(taken_from), reader.encode(put_into)
    if max(len(ids_from), len(ids_into)) > WINDOW:
        raise ValueError(f"A prompt has more than {WINDOW} tokens: shorten it.")
    return prompt_pair(model, ids_from, ids_into, one_token(model, reader, token), one_token(model, reader, rival))


def _steps(pair: PromptPair) -> Callable[[int], Iterator[Tensor]]:
    return lambda first_block: patched_rows(pair, first_block)


def _drawn(made: _Components, question: Question, pair: PromptPair, rows: Sequence[Tensor]) -> Updates:
    exact, estimate = torch.stack(list(rows)), _estimate(pair, len(rows))
    shares = _with_estimate(pair, exact) if estimate else exact
    grid = patch_grid(_labels(pair), shares.numpy(), len(exact))
    return {
        made.said: said_html(_said(pair, question[0], estimate)),
        made.code: code_value(_code(pair, question)),
        made.figure: plot(grid, _about(question[0], question[1:], estimate)),
    }


def _estimate(pair: PromptPair, n_exact: int) -> str:
    """A sentence on the rows that are not exact, "" where all are."""
    last = len(pair.traced_from.blocks) - 1
    if n_exact > last:
        return ""
    rows = f"Row {last} is" if n_exact == last else f"Rows {n_exact} to {last} are"
    return f" {rows} an estimate, by one gradient: below the dashed line."


def _code(pair: PromptPair, question: Question) -> Code:
    model_name, taken_from, put_into, *_ = question
    return swapping_code(model_name, tokenizer_of(pair.model), (taken_from, put_into), pair.token_id, pair.rival_id)


def _with_estimate(pair: PromptPair, exact: Tensor) -> Tensor:
    return torch.cat([exact, estimated_patching(pair)[len(exact) :]])


def _labels(pair: PromptPair) -> list[str]:
    """The tokens of both prompts, place by place: one where they are the same."""
    visible = tokenizer_of(pair.model).visible
    return [
        visible(a) if a == b else f"{visible(a)} → {visible(b)}"
        for a, b in zip(pair.traced_from.ids, pair.traced_into.ids, strict=True)
    ]


def _said(pair: PromptPair, model_name: str, estimate: str) -> str:
    visible = tokenizer_of(pair.model).visible
    token, rival = visible(pair.token_id), visible(pair.rival_id)
    return (
        f"logit(“{token}”) − logit(“{rival}”) is {pair.difference_from:+.2f} after the first prompt and "
        f"{pair.difference_into:+.2f} after the second, in {model_name}. Each cell puts one token's state of the "
        "first prompt into the pass over the second: 0 % is as if nothing had been put in, 100 % is the first prompt's "
        f"answer.{estimate} Follow the colour down: it moves from the token that differs to the last one."
    )


def _numbers(library: Library, question: Question) -> tuple[list[str], list[list[Any]]]:
    pair, exact = _read(library, question), _rows.of(question)
    estimate = estimated_patching(pair)
    ids = list(zip(pair.traced_from.ids, pair.traced_into.ids, strict=True))
    rows = [
        [block, i + 1, *ids[i], label, float(exact[block][i]) if block < len(exact) else "", float(estimate[block, i])]
        for block in range(len(estimate))
        for i, label in enumerate(_labels(pair))
    ]
    head = ["entering block", "token number", "token id taken from", "token id put into", "token"]
    return [*head, "share that comes back", "estimate"], rows

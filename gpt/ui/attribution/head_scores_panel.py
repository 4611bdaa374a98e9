"""Heads by what they do: scores of every head on random tokens written twice, as a field, a ranking and one map."""

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from ...attribution.head_scores import HeadScores, head_scores
from ...library import Library
from ...runs import Run
from ...seeding import LARGEST_WEIGHT_SEED
from ...tokenizer import tokenizer_of
from ...tracing import trace
from ..common.address_values import named_place, text_of_place
from ..common.attention_figure import attention_map
from ..common.captions import About
from ..common.code_behind import code_area, code_value
from ..common.components import note_area, plot, plot_area
from ..common.downloads import File, csv_file
from ..common.drawing import Listener, Updates, chosen_into
from ..common.head_field import Cell, field_html, head_field, share_style
from ..common.number_format import percent
from ..common.page_context import Page
from ..common.page_html import status, table
from ..common.saved_pictures import pictured
from ..common.token_strip import probability_legend
from .figures import copies
from .panel_code import heads_code
from .view_panel import TAB, Panel, limits, small_button

_N_RANKED = 10


@dataclass(frozen=True)
class Measure:
    """One score: its name in HeadScores and above a column, its unit, and what a head does that has much of it."""

    field: str
    short: str
    unit: str  # "" for a share of attention
    does: str


INDUCTION = "Induction"
MEASURES = {
    INDUCTION: Measure("induction", "induction", "", "look at what followed the same token before"),
    "Previous token": Measure("previous", "previous", "", "look at the token before"),
    "Duplicate": Measure("duplicate", "duplicate", "", "look at the same token, where it stood before"),
    "First token": Measure("first", "first", "", "look at the first token, where heads rest"),
    "Same token": Measure("same", "same", "", "look at the token itself"),
    "Entropy": Measure("entropy", "entropy, bits", "bits", "look at many tokens alike"),
    "Distance": Measure("distance", "distance", "tokens", "look far back"),
}


@dataclass(frozen=True)
class _Components:
    area: gr.Column
    measure: gr.Radio
    least: gr.Slider
    seed: gr.Number
    again: gr.Button
    head: gr.State  # block * heads + head, None for the highest
    field: gr.HTML
    legend: gr.HTML
    said: gr.HTML
    ranking: gr.HTML
    losses: gr.Plot
    map_said: gr.HTML
    map: gr.Plot
    note: gr.HTML
    save: gr.Row
    code: gr.HTML


def build(page: Page, _: gr.HTML) -> Panel:
    """Lay the panel out, hidden, and wire what only it changes."""
    made = _lay_out()
    inputs = [made.measure, made.least, made.seed, made.head]

    def draw(run: Run, _: int | None, name: str, least: float, seed: float | None, head: int | None) -> Updates:
        return _drawn(made, page.library, run.model_name, _seed(seed), name, least / 100, head)

    def file(run: Run, seed: float | None) -> File:
        scores = scores_of(page.library, run.model_name, _seed(seed))
        about = _about("heads by what they do", run.model_name, _seed(seed))
        return csv_file(about, ["block", "head", *(m.field for m in MEASURES.values())], _rows(scores))

    def again(seed: float | None) -> Updates:
        """The test with other tokens; its best head is shown."""
        other = (_seed(seed) + 1) % (LARGEST_WEIGHT_SEED + 1)
        return {made.measure: INDUCTION, made.seed: other, made.head: None}

    tested = made.again.click(again, [made.seed], [made.measure, made.seed, made.head], api_visibility="private")
    with made.save:
        page.save_button("Save these numbers as CSV", "heads-csv", file, [made.seed])
    page.remember_in_address(TAB, "scored", made.head, text_of_place, partial(named_place, "scored"))
    outputs = [made.field, made.legend, made.said, made.ranking, made.losses, made.map_said, made.map, made.code]
    chosen = chosen_into(made.head, made.field)
    redraws: list[Listener] = [
        made.measure.input,
        made.least.input,
        made.seed.submit,
        made.seed.blur,
        chosen,
        tested.then,
    ]
    return Panel(made.area, made.note, draw, inputs, outputs, redraws)


def _lay_out() -> _Components:
    made: dict[str, Any] = {"head": gr.State(None)}
    with gr.Column(visible=False) as made["area"]:
        made["measure"] = gr.Radio(
            list(MEASURES),
            value=INDUCTION,
            label="Colour and sort by",
            info="Where a head looks: one score for each thing that heads are known to do.",
            elem_id="heads-measure",
            elem_classes=["chips"],
        )
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=280):
                made["field"] = head_field("heads-field")
                made["legend"] = gr.HTML(elem_classes=["flush"])
                with gr.Row():
                    made["least"] = gr.Slider(
                        0, 100, 0, step=5, label="At least, %", info="Of the highest score.", elem_id="heads-least"
                    )
                    made["seed"] = gr.Number(
                        123,
                        label="Seed",
                        info="Draws the tokens.",
                        precision=0,
                        minimum=0,
                        maximum=LARGEST_WEIGHT_SEED,
                        elem_id="heads-seed",
                    )
                made["again"] = small_button("Test induction with other tokens", "heads-again")
            with gr.Column(scale=3, min_width=320):
                made["said"] = gr.HTML(elem_id="heads-said", elem_classes=["flush"])
                made["ranking"] = gr.HTML(elem_id="heads-ranking", elem_classes=["flush"])
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                made["map_said"] = gr.HTML(elem_id="heads-map-said", elem_classes=["flush"])
                made["map"] = plot_area("heads-map")
            with gr.Column(scale=3, min_width=320):
                made["losses"] = plot_area("heads-losses")
        made["note"] = note_area("heads-note")
        limits(
            "Scores say where a head looks when nothing but repetition can be used, not what it does with what it sees "
            "there, nor what it does in a text that makes sense."
        )
        made["save"] = gr.Row()
        made["code"] = code_area("heads-code")
    return _Components(**made)


_COLOURS = "The stronger the blue, the higher the score. Framed: the head whose attention is shown."


@lru_cache(maxsize=8)
def scores_of(library: Library, model_name: str, seed: int) -> HeadScores:
    """The scores of a model's heads: they do not depend on the visitor's text."""
    return head_scores(library.get(model_name).model, seed)


@lru_cache(maxsize=4)
def _attention(library: Library, model_name: str, ids: tuple[int, ...]) -> Tensor:
    """What every head looks at in a sequence: (L, h, t, t)."""
    return torch.stack([block.attention for block in trace(library.get(model_name).model, ids).blocks])


def _about(what: str, model_name: str, seed: int) -> About:
    return About(f"Inside: {what}", model_name, places={"seed": seed})


def _drawn(
    made: _Components, library: Library, model_name: str, seed: int, name: str, least: float, head: int | None
) -> Updates:
    model, measure = library.get(model_name).model, MEASURES[name]
    scores = scores_of(library, model_name, seed)
    values: Tensor = getattr(scores, measure.field)
    if head is None or head >= values.numel():
        head = int(values.argmax())
    ids = scores.sequences[0]
    n = len(ids) // 2
    labels = [tokenizer_of(model).visible(token_id) for token_id in ids]
    block, number = divmod(head, values.shape[1])
    losses = scores.losses.tolist()
    return {
        made.field: pictured(
            replace(_about(f"{name.lower()} of every head", model_name, seed), colours=_COLOURS),
            _field(values, measure, name, least, head),
        ),
        made.legend: probability_legend(name.lower(), "0", _value(float(values.max()), measure)),
        made.said: status(_said(scores, values, measure, name)),
        made.losses: plot(
            copies(labels[:n], losses[: n - 1], losses[n:]), _about("loss of both copies", model_name, seed)
        ),
        made.ranking: pictured(_about(f"heads by {name.lower()}", model_name, seed), _ranking(scores, values, least)),
        made.map_said: status(
            f"Head {block}.{number} on the first sequence; the framed row, token {n + 1}, begins the second copy. "
            "Attention to what followed the same token before is a line beside the diagonal of the copy."
        ),
        made.code: code_value(heads_code(model_name, seed, measure.field, block, number)),
        made.map: plot(
            attention_map(labels, 1, _attention(library, model_name, ids)[block, number].numpy(), n),
            _about("attention on repeated tokens", model_name, seed).at(block=block, head=number),
        ),
    }


def _field(values: Tensor, measure: Measure, name: str, least: float, head: int) -> str:
    largest = float(values.max())
    rows = [
        [
            Cell(
                f"block {block}, head {number}: {name.lower()} {_value(value, measure)}",
                share_style(value / largest) if largest and value >= least * largest else "",
                block * len(line) + number == head,
            )
            for number, value in enumerate(line)
        ]
        for block, line in enumerate(values.tolist())
    ]
    return field_html(rows, list(map(str, range(values.shape[1]))), f"{name} of every head: a row per block")


def _said(scores: HeadScores, values: Tensor, measure: Measure, name: str) -> str:
    block, number = divmod(int(values.argmax()), values.shape[1])
    return (
        f"{len(scores.sequences)} sequences of {len(scores.sequences[0]) // 2} random tokens that the model knows, "
        "each written twice. Nothing in them can be predicted except that they come again: the loss is "
        f"{scores.first_copy_loss:.2f} nats a token in the first copy and {scores.second_copy_loss:.2f} in the second. "
        f"Heads with much of “{name}” {measure.does}; head {block}.{number} has most, "
        f"{_value(float(values.max()), measure)}."
    )


def _ranking(scores: HeadScores, values: Tensor, least: float) -> str:
    """HTML of the heads with the highest values, and all their scores."""
    best = values.flatten().topk(min(_N_RANKED, values.numel()))
    rows = [
        [
            f"{head // values.shape[1]}.{head % values.shape[1]}",
            *(_number(float(getattr(scores, each.field).flatten()[head]), each) for each in MEASURES.values()),
        ]
        for value, head in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        if value >= least * float(values.max())
    ]
    return table(["head", *(measure.short for measure in MEASURES.values())], rows)


def _value(value: float, measure: Measure) -> str:
    return f"{_number(value, measure)} {measure.unit}".rstrip()


def _number(value: float, measure: Measure) -> str:
    return f"{value:.2f}" if measure.unit else percent(value)


def _rows(scores: HeadScores) -> list[list[float]]:
    columns = [getattr(scores, measure.field) for measure in MEASURES.values()]
    n_layers, n_heads = columns[0].shape
    return [
        [block, head, *(float(column[block, head]) for column in columns)]
        for block in range(n_layers)
        for head in range(n_heads)
    ]


def _seed(seed: float | None) -> int:
    return 123 if seed is None else int(seed)

"""One saved step of a training, looked into: what the model says next, its stream, its heads' maps and scores."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch

from ...training.inner_look import SCORES, InnerLook
from ...training.training_history import History
from ...training.training_request import Asked
from ..common.attention_figure import attention_map
from ..common.attention_maps import attention_maps, maps_value
from ..common.code_behind import code_area, code_value
from ..common.components import plot, plot_area
from ..common.drawing import Updates
from ..common.head_field import Cell, field_html, head_field, share_style
from ..common.number_format import counted, percent
from ..common.page_html import status
from ..common.token_strip import probability_legend
from . import figures, words
from .training_code import step_code

# A score's name on the page, and its name in a look.
MEASURES = {
    "Previous token": "previous",
    "Induction": "induction",
    "First token": "first",
    "Same token": "same",
    "Duplicate": "duplicate",
}
_MOST_HEADS = 100_000


@dataclass(frozen=True)
class KeptStep:
    """Its components; `step` holds the chosen step as text, `head` block * heads + head."""

    step: gr.Radio
    measure: gr.Radio
    head: gr.Slider
    prompt: gr.HTML
    candidates: gr.HTML
    sample: gr.HTML
    meanings: gr.HTML
    deviation: gr.Plot
    maps: gr.HTML
    map_said: gr.HTML
    map: gr.Plot
    field: gr.HTML
    legend: gr.HTML
    opening: gr.Row  # for a button that opens the step
    behind: gr.HTML

    def inputs(self) -> list[Any]:
        """What `updates` takes after the history, in its order."""
        return [self.step, self.head, self.measure]

    def outputs(self) -> list[Any]:
        """All that `updates` may change."""
        return [each for each in vars(self).values() if each not in (self.measure, self.head, self.opening)]

    def updates(
        self, history: History, asked: Asked | None, chosen: str | None, head: float, measure: str | None
    ) -> Updates:
        """Everything about the chosen step, or the kept one nearest to it; the last one where none is chosen.

        `asked` is what the history was started with, None for the recorded one.
        """
        step = history.nearest_kept(int(chosen) if chosen else history.steps_done)
        at = history.steps_done if step is None else step
        told: Updates = {self.meanings: words.meanings(history, at), self.sample: words.sample(history, at)}
        if step is None:
            return self.nothing() | told
        look = history.look(step)
        n_heads = len(look.maps[0])
        block, number = divmod(int(head) if head < len(look.maps) * n_heads else 0, n_heads)
        weights, score = _square(look), measure or next(iter(MEASURES))
        return told | {
            self.step: gr.update(choices=list(map(str, history.kept_steps)), value=str(step)),
            self.prompt: status(words.before_next(history, step)),
            self.candidates: words.candidates(look),
            self.deviation: plot(
                _deviation(history, look), words.of_training("deviation through the depth", history, step)
            ),
            self.maps: maps_value(
                torch.from_numpy(weights), (block, number), words.of_training("all heads", history, step)
            ),
            self.map_said: status(
                f"Block {block}, head {number} after {counted(step, 'step')}; the framed row is the last token."
            ),
            self.map: plot(
                attention_map(look.tokens, 1, weights[block, number], len(look.tokens) - 1),
                words.of_training("attention", history, step).at(block=block, head=number),
            ),
            self.behind: code_value(step_code(asked, history, step, (block, number), MEASURES[score])),
            **self._scores(look, score, block * n_heads + number),
        }

    def nothing(self) -> Updates:
        """Before the first step is kept, and of a training that is not there."""
        written = (self.meanings, self.sample, self.candidates, self.map_said, self.field, self.legend, self.behind)
        empty: Updates = dict.fromkeys(written, "")
        places: Updates = {self.maps: None, self.map: None, self.deviation: None}
        return empty | places | {self.prompt: status("The first saved step is not there yet.")}

    def _scores(self, look: InnerLook, name: str, head: int) -> Updates:
        if not look.scores:
            return {self.field: status("The context is too short to test its heads on repeated text."), self.legend: ""}
        rows = look.scores[MEASURES[name]]
        largest = max(map(max, rows))
        cells = [
            [
                Cell(
                    f"block {block}, head {number}: {name.lower()} {percent(value)}",
                    share_style(value / largest) if largest else "",
                    block * len(row) + number == head,
                )
                for number, value in enumerate(row)
            ]
            for block, row in enumerate(rows)
        ]
        columns = list(map(str, range(len(rows[0]))))
        return {
            self.field: field_html(cells, columns, f"{name} of every head: a row per block"),
            self.legend: probability_legend("share of its attention", "0", percent(largest)),
        }


def kept_step(history: History) -> KeptStep:
    """Lay it out for the steps of the training that is shown first."""
    assert set(MEASURES.values()) == set(SCORES)
    made: dict[str, Any] = {}
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            made["meanings"] = gr.HTML(elem_id="train-meanings", elem_classes=["flush"])
        with gr.Column(scale=2, min_width=320):
            made["sample"] = gr.HTML(elem_id="train-sample", elem_classes=["flush"])
    made["step"] = gr.Radio(
        list(map(str, history.kept_steps)),
        value=str(history.kept_steps[-1]),
        label="Saved step",
        info="Over the training: the first steps change most, so they lie closest together.",
        elem_id="train-step",
        elem_classes=["chips"],
    )
    made["opening"] = gr.Row()
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            made["prompt"] = gr.HTML(elem_id="train-prompt", elem_classes=["flush"])
            made["candidates"] = gr.HTML(elem_id="train-candidates", elem_classes=["flush"])
        with gr.Column(scale=3, min_width=320):
            made["deviation"] = plot_area("train-deviation")
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=280):
            gr.HTML(status("What every head looks at in the prompt; choose one."), elem_classes=["flush"])
            made["maps"] = attention_maps("train-maps")
            made["measure"] = gr.Radio(
                list(MEASURES),
                value=next(iter(MEASURES)),
                label="Head scores, on random tokens written twice",
                elem_id="train-measure",
                elem_classes=["chips"],
            )
            made["field"] = head_field("train-field")
            made["legend"] = gr.HTML(elem_classes=["flush"])
        with gr.Column(scale=3, min_width=320):
            made["map_said"] = gr.HTML(elem_id="train-map-said", elem_classes=["flush"])
            made["map"] = plot_area("train-map")
    made["head"] = gr.Slider(0, _MOST_HEADS, 0, step=1, label="Head", visible="hidden", elem_id="train-head")
    made["behind"] = code_area("train-step-code")
    return KeptStep(**made)


def _square(look: InnerLook) -> "np.ndarray[Any, Any]":
    """Every head's weights (L, h, t, t), nothing where a token would look ahead."""
    t = len(look.tokens)
    weights = np.zeros((len(look.maps), len(look.maps[0]), t, t), np.float32)
    for block, heads in enumerate(look.maps):
        for head, rows in enumerate(heads):
            for i, row in enumerate(rows):
                weights[block, head, i, : i + 1] = row
    return weights


def _deviation(history: History, look: InnerLook) -> Any:
    """The chosen step's line before those of all saved steps."""
    places = ["emb."] + [f"{i} {part}" for i in range(len(look.maps)) for part in ("att", "ff")]
    return figures.deviation_figure(
        places, {step: history.look(step).deviation for step in history.kept_steps}, look.step
    )

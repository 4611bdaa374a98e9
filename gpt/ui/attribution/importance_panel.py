"""Which tokens mattered: three measures of the tokens before a prediction, and how little they agree."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from ...attribution.token_importance import (
    REPLACEMENTS,
    attention_from_last,
    correlation,
    gradient_times_input,
    occlusion_by_token,
)
from ...library import Library
from ...runs import Run
from ...tracing import trace
from ..common.captions import About, about_run
from ..common.code_behind import code_area, code_value
from ..common.components import note_area, plot, plot_area
from ..common.downloads import File, csv_file
from ..common.drawing import MODEL_EVENT, Updates
from ..common.head_field import signed_legend, signed_style, signed_words
from ..common.number_format import counted
from ..common.page_context import Page
from ..common.saved_pictures import pictured
from ..common.stoppable_work import Ongoing, stop_for, stop_when_clicked
from ..common.token_strip import StripToken, strip_html, strip_token
from .figures import measures
from .panel_code import tokens_code
from .prediction import Prediction, prediction_of
from .view_panel import Kept, Panel, limits, said_html, small_button, streaming

REPLACED, GRADIENT, ATTENTION = (
    "fall of log p when the token is replaced, nats",
    "gradient × input, nats",
    "attention from the last token, all heads",
)

_COLOURED_BY = "fall of log p when replaced, nats"

_falls: Kept[float] = Kept()


@dataclass(frozen=True)
class _Components:
    area: gr.Column
    said: gr.HTML
    legend: gr.HTML
    figure: gr.Plot
    measure: gr.Button
    stop: gr.Button
    note: gr.HTML
    save: gr.Row
    code: gr.HTML


def build(page: Page, strip: gr.HTML) -> Panel:
    """Lay the panel out, hidden, and wire what only it changes and the strip of the tab, which it colours."""
    made = _lay_out()
    ongoing = Ongoing()
    shown = [made.said, strip, made.legend, made.figure, made.code]

    def draw(run: Run, position: int | None) -> Updates:
        prediction = prediction_of(page.library, run, position)
        falls = _falls.in_a_moment(_question(prediction), _steps(prediction), len(prediction.ids))
        missing = len(falls) < len(prediction.ids)
        return _drawn(made, strip, page.library, prediction, falls) | {made.measure: gr.update(interactive=missing)}

    def measured(run: Run, position: int | None) -> Iterator[Updates]:
        prediction = prediction_of(page.library, run, position)
        for falls in _falls.more(_question(prediction), _steps(prediction)):
            yield _drawn(made, strip, page.library, prediction, falls)

    def file(run: Run, position: int | None) -> File:
        prediction = prediction_of(page.library, run, position)
        return csv_file(_about(prediction), *_numbers(page.library, prediction))

    made.measure.click(
        streaming(ongoing, made.stop, made.note, measured),
        [page.run, page.position],
        [*shown, made.stop, made.note],
        **MODEL_EVENT,
    )
    stop_when_clicked(made.stop, ongoing)
    with made.save:
        page.save_button("Save these numbers as CSV", "tokens-csv", file, [page.position])
    return Panel(made.area, made.note, draw, [], [*shown, made.measure], [], ongoing=ongoing)


def _lay_out() -> _Components:
    made: dict[str, Any] = {}
    with gr.Column(visible=False) as made["area"]:
        made["said"] = gr.HTML(elem_id="tokens-said", elem_classes=["flush"])
        made["legend"] = gr.HTML(elem_classes=["flush"])
        with gr.Row():
            made["measure"] = small_button("Replace the other tokens too", "tokens-measure")
            made["stop"] = stop_for("tokens-stop", size="sm")
        made["note"] = note_area("tokens-note")
        made["figure"] = plot_area("tokens-figure")
        limits(
            "Replacing a token tells what this prediction would have been with other words in its place, not what the "
            "model does with it; of two tokens with the same information, each can do the work of the other."
        )
        made["save"] = gr.Row()
        made["code"] = code_area("tokens-code")
    return _Components(**made)


def _about(prediction: Prediction) -> About:
    return about_run("Inside: which tokens mattered", prediction.run, prediction.position)


def _question(prediction: Prediction) -> tuple[object, ...]:
    return prediction.run.model_name, prediction.ids, prediction.token_id


def _steps(prediction: Prediction) -> Callable[[int], Iterator[float]]:
    return lambda first: occlusion_by_token(prediction.model, prediction.ids, prediction.token_id, first)


@lru_cache(maxsize=16)
def _cheap(library: Library, model_name: str, ids: tuple[int, ...], token_id: int) -> tuple[Tensor, Tensor]:
    """Gradient × input, and attention from the last token: (t,) each."""
    model = library.get(model_name).model
    traced = trace(model, ids)
    return gradient_times_input(model, traced, token_id), attention_from_last(traced)


def _drawn(
    made: _Components, strip: gr.HTML, library: Library, prediction: Prediction, falls: Sequence[float]
) -> Updates:
    gradient, attention = _cheap(library, prediction.run.model_name, prediction.ids, prediction.token_id)
    named = [(REPLACED, falls), (GRADIENT, gradient.tolist()), (ATTENTION, attention.tolist())]
    largest = max(map(abs, falls), default=0.0)
    return {
        made.said: said_html(_said(prediction, torch.tensor(falls), gradient, attention)),
        strip: _strip(prediction, falls, largest),
        made.code: code_value(tokens_code(prediction)),
        made.legend: signed_legend(_COLOURED_BY, f"{largest:.2f}"),
        made.figure: plot(measures(prediction.labels, named), _about(prediction)),
    }


def _said(prediction: Prediction, falls: Tensor, gradient: Tensor, attention: Tensor) -> str:
    if len(falls) < len(prediction.ids):
        return f"{len(falls)} of {counted(len(prediction.ids), 'token')} replaced so far. {prediction.said}"
    most = int(falls.argmax())
    agreement = "; ".join(
        f"{name} {'does not vary' if value is None else f'{value:+.2f}'}"
        for name, value in (
            ("gradient × input", correlation(falls, gradient)),
            ("attention", correlation(falls, attention)),
        )
    )
    fall = float(falls[most])
    how = f"falls most, by {fall:.2f} nats" if fall > 0 else f"rises, whichever it is, and least, by {-fall:.2f} nats"
    return (
        f"Each token is replaced in turn by up to {len(REPLACEMENTS)} other words; log p of “{prediction.token}” {how} "
        f"on average, without “{prediction.labels[most]}”. The cheaper measures are often taken for the same. Their "
        f"correlation with it here: {agreement}. {prediction.said}"
    )


def _strip(prediction: Prediction, falls: Sequence[float], largest: float) -> str:
    """The tokens of the run: those that were replaced coloured, the predicted one marked."""
    tokens = []
    for position, token_id in enumerate(prediction.run.ids):
        plain, i = strip_token(prediction.reader, token_id, f"token {position + 1}"), position - prediction.first
        if 0 <= i < len(falls):
            label = f"{plain.label}, log p falls by {falls[i]:+.3f} nats when it is replaced"
            plain = StripToken(plain.text, label, plain.kind, signed_style(falls[i], largest))
        tokens.append(plain)
    about = replace(
        _about(prediction),
        what="Inside: tokens by what replacing them does",
        colours=f"{signed_words(_COLOURED_BY, f'{largest:.2f}')} Framed: the token whose prediction is asked about.",
    )
    return pictured(about, strip_html(tokens, prediction.position))


def _numbers(library: Library, prediction: Prediction) -> tuple[list[str], list[list[Any]]]:
    falls = _falls.of(_question(prediction))
    gradient, attention = _cheap(library, prediction.run.model_name, prediction.ids, prediction.token_id)
    rows = [
        [
            prediction.first + i + 1,
            token_id,
            label,
            falls[i] if i < len(falls) else "",
            float(gradient[i]),
            float(attention[i]),
        ]
        for i, (token_id, label) in enumerate(zip(prediction.ids, prediction.labels, strict=True))
    ]
    return ["token number", "token id", "token", REPLACED, GRADIENT, ATTENTION], rows

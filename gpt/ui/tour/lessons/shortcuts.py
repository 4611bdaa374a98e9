"""Lesson 4.4: gradients with and without shortcuts, and the stream that shortcuts make of a model."""

from math import isfinite

from ....chapter.shortcuts import block_gradients, chapter_gradients
from ....tracing import stream_norms
from ...common.number_format import counted, real
from ..tour_stop import Guess, Lesson, Stop, Told, guess_number, panel
from ..tour_text import Reading

_MANY = 3.0  # times: what counts as vanishing
_CHANGED = 1.1  # times: what counts as another loss


def _times(value: float) -> str:
    return f"{value:,.0f} times"


def _chapter(_: Reading) -> Told:
    without, with_shortcuts = chapter_gradients(False), chapter_gradients(True)
    ratio, other = without[-1] / without[0], with_shortcuts[-1] / with_shortcuts[0]
    return Told(
        "A network learns from gradients: they say how to change each number, and they travel from the last layer back "
        "to the first. Every layer on the way weakens them. This is the chapter's network of five layers, without "
        "shortcuts.",
        guess_number(
            "How many times weaker is the gradient in the first layer than in the last?",
            ratio,
            (2, 5),
            _times,
            f"{_times(ratio)}: {without[0]:.5f} beside {without[-1]:.5f}. The first layer hardly learns. With "
            f"shortcuts it is {other:.0f} times.",
        ),
        holds=ratio > _MANY > other / 2,
    )


def _model(r: Reading) -> Told:
    own, bare = block_gradients(r.model, r.prompt if len(r.prompt) > 1 else r.run.ids)
    said = ("It falls", "It stays about the same", "It rises")
    ratio = bare.loss / own.loss
    right = 2 if ratio > _CHANGED or not isfinite(ratio) else 0 if ratio < 1 / _CHANGED else 1
    return Told(
        f"Now this model and its {counted(r.config.n_layers, 'block')}, with the numbers it learned. "
        "Take the shortcuts out of it. Its loss says how wrong it is about each next token of the prompt.",
        Guess(
            "What happens to the loss?",
            said,
            right,
            f"It goes from {own.loss:.2f} to {bare.loss:.2f} nats. The gradient in block 0 goes from "
            f"{own.norms[0]:.3g} to {bare.norms[0]:.3g}. Every block was trained to correct what came in, and now "
            "what came in is gone.",
        ),
        holds=right == 2,
    )


def _stream(r: Reading) -> Told:
    lengths, changes = stream_norms(r.traced.trace.stream)
    token = r.traced.token
    first, last = float(lengths[0, token]), float(lengths[-1, token])
    n = len(changes)
    return Told(
        "With shortcuts a block replaces nothing, it adds. So one sum runs through the whole model, and the chapter's "
        f"blocks write into it: {n} additions here, two for each block. It is called the residual stream.",
        guess_number(
            f"The vector of {r.quoted(r.prompt[-1])} starts with length {real(first)}. How long is it at the end?",
            last,
            (first, first * 3),
            real,
            f"{real(last)}. The largest single addition has length {real(float(changes[:, token].max()))}.",
        ),
        holds=last > first,
    )


LESSON = Lesson(
    "4.4",
    "4.4 Shortcuts",
    (
        Stop(
            "Five layers",
            "building-blocks",
            "#chapter-gradients",
            _chapter,
            panel("shortcuts"),
            hides="#chapter-gradients, #chapter-gradients-said",
        ),
        Stop(
            "This model's blocks",
            "building-blocks",
            "#model-gradients",
            _model,
            panel("shortcuts"),
            hides="#model-gradients, #model-gradients-said",
        ),
        Stop(
            "The stream",
            "inside",
            "#inside-figure",
            _stream,
            {"view": "Residual stream"},
            hides="#inside-figure, #inside-said",
            reads_prompt=True,
        ),
    ),
)

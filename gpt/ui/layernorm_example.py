"""Section 4.2's own example, live: two rows of numbers, normalized with the variance and the eps one chooses."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ..norm_experiments import NormalizedRows, chapter_example, normalize_rows
from . import layernorm_figures as figures
from .export import csv_file, save_button
from .numbers import real
from .shared import plot, plot_area, table

OUTPUTS, INPUTS = "the layer's outputs, 2 × 6", "its inputs, 2 × 5"
BIASED, UNBIASED = "biased: divide by d", "unbiased: divide by d − 1"


@dataclass(frozen=True)
class Example:
    """The controls of the example and the components that `drawn` fills."""

    inputs: list[Any]
    outputs: list[Any]


def build() -> Example:
    """Lay the example out and wire its own controls."""
    with gr.Row():
        rows = gr.Radio([OUTPUTS, INPUTS], value=OUTPUTS, label="Rows", elem_id="example-rows", elem_classes=["chips"])
        variance = gr.Radio(
            [BIASED, UNBIASED], value=BIASED, label="Variance", elem_id="example-variance", elem_classes=["chips"]
        )
        exponent = gr.Slider(
            -8, 0, -5, step=1, label="eps = 10 to the power of", info="The chapter's is 10^-5.", elem_id="example-eps"
        )
    said = gr.HTML(elem_id="example-said", elem_classes=["flush"])
    numbers = gr.HTML(elem_id="example-numbers", elem_classes=["flush"])
    figure = plot_area("example-figure")
    with gr.Row():
        save_button("Save these numbers as CSV", "example-csv", _file, [rows, variance, exponent])
    example = Example([rows, variance, exponent], [said, numbers, figure])
    gr.on(
        [rows.input, variance.input, exponent.input],
        drawn,
        example.inputs,
        example.outputs,
        trigger_mode="always_last",
        api_visibility="private",
    )
    return example


def drawn(rows: str, variance: str, exponent: float) -> list[Any]:
    """The sentence, the table and the figure for one choice of rows, variance and eps."""
    result = _normalized(rows, variance, exponent)
    figure = figures.example(result.x.numpy(), result.normalized.numpy())
    return [_said(result, exponent, variance == UNBIASED), _table(result), plot(figure)]


def _normalized(rows: str, variance: str, exponent: float) -> NormalizedRows:
    inputs, outputs = chapter_example()
    return normalize_rows(inputs if rows == INPUTS else outputs, 10.0**exponent, variance == UNBIASED)


def _file(rows: str, variance: str, exponent: float) -> dict[str, str]:
    result = _normalized(rows, variance, exponent)
    return csv_file("layernorm-example", _head(result), _rows(result))


def _said(result: NormalizedRows, exponent: float, unbiased: bool) -> str:
    before, after = (
        (result.unbiased_variance, result.normalized_unbiased_variance)
        if unbiased
        else (result.biased_variance, result.normalized_biased_variance)
    )
    eps = f"{10.0**exponent:.{max(0, -int(exponent))}f}"
    value = f"{float(before[0]):.6f}"
    return (
        '<p class="status">Seed 123: two examples of five random numbers, and what Linear(5, 6) with ReLU makes of '
        "them. Each row loses its mean and is divided by √(variance + eps). The first row's "
        f"{'unbiased' if unbiased else 'biased'} variance becomes {value} / ({value} + {eps}) = {float(after[0]):.6f}. "
        "The chapter takes the unbiased variance when it does this by hand, the biased one in its LayerNorm class."
        "</p>"
    )


def _table(result: NormalizedRows) -> str:
    return table(_head(result), [[name, *map(real, values)] for name, *values in _rows(result)])


def _head(result: NormalizedRows) -> list[str]:
    features = range(1, result.x.shape[1] + 1)
    return ["", *map(str, features), "mean", "biased var.", "unbiased var."]


def _rows(result: NormalizedRows) -> list[list[Any]]:
    """A name and its numbers for each row, before and after."""
    before = (result.x, result.mean, result.biased_variance, result.unbiased_variance)
    after = (
        result.normalized,
        result.normalized_mean,
        result.normalized_biased_variance,
        result.normalized_unbiased_variance,
    )
    return [
        [f"{name}, example {i + 1}", *(value for column in columns for value in column[i].tolist())]
        for name, columns in (("before", before), ("normalized", after))
        for i in range(len(result.x))
    ]

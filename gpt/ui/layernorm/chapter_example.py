"""Section 4.2's own example, live: two rows of numbers, normalized with a chosen variance and eps."""

from typing import Any

import gradio as gr
from torch import Tensor

from ...chapter.layernorm_example import NormalizedRows, chapter_example, normalize_rows
from ..common.captions import About
from ..common.code_behind import code_area, code_value
from ..common.components import plot, plot_area
from ..common.downloads import File, csv_file, save_button
from ..common.drawing import Drawing, Updates
from ..common.number_format import real
from ..common.page_html import status, table
from . import figures
from .view_code import example_code

OUTPUTS, INPUTS = "the layer's outputs, 2 × 6", "its inputs, 2 × 5"
BIASED, UNBIASED = "biased: divide by d", "unbiased: divide by d − 1"


def build() -> Drawing:
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
    behind = code_area("example-code")

    def draw(rows: str, variance: str, exponent: float) -> Updates:
        result, by_hand = (normalized(rows, variance, each) for each in (exponent, None))
        return {
            said: sentence(result, exponent, variance == UNBIASED),
            numbers: numbers_table(result, by_hand),
            figure: plot(
                figures.example(result.x.numpy(), result.normalized.numpy()), _about(rows, variance, exponent)
            ),
            behind: code_value(example_code(rows == INPUTS, variance == UNBIASED, exponent)),
        }

    drawing = Drawing(draw, [rows, variance, exponent], [said, numbers, figure, behind])
    drawing.draw_on(rows.input, variance.input, exponent.input)
    return drawing


def normalized(rows: str, variance: str, exponent: float | None) -> NormalizedRows:
    """The chosen rows of the chapter's example, normalized with the chosen variance and eps = 10 ** exponent.

    None is an eps of 0, as where the chapter normalizes by hand.
    """
    inputs, outputs = chapter_example()
    eps = 0.0 if exponent is None else 10.0**exponent
    return normalize_rows(inputs if rows == INPUTS else outputs, eps, variance == UNBIASED)


def _about(rows: str, variance: str, exponent: float) -> About:
    places = {"rows": rows, "variance": variance, "eps": f"eps = 10^{exponent:g}"}
    return About("LayerNorm: 2 × 5 example", places=places)


def _file(rows: str, variance: str, exponent: float) -> File:
    both = [normalized(rows, variance, each) for each in (exponent, None)]
    return csv_file(_about(rows, variance, exponent), ["row", *_head(both[0])[1:]], _rows(*both))


def sentence(result: NormalizedRows, exponent: float, unbiased: bool) -> str:
    """HTML that says what is normalized, and what becomes of the first row's variance."""
    before, after = (
        (result.unbiased_variance, result.normalized_unbiased_variance)
        if unbiased
        else (result.biased_variance, result.normalized_biased_variance)
    )
    eps = f"{10.0**exponent:.{max(0, -int(exponent))}f}"
    value = f"{float(before[0]):.6f}"
    return status(
        "Seed 123: two examples of five random numbers, and what Linear(5, 6) with ReLU makes of "
        "them. Each row loses its mean and is divided by √(variance + eps). The first row's "
        f"{'unbiased' if unbiased else 'biased'} variance becomes {value} / ({value} + {eps}) = {float(after[0]):.6f}. "
        "The chapter takes the unbiased variance when it does this by hand, the biased one in its LayerNorm class."
    )


def numbers_table(result: NormalizedRows, by_hand: NormalizedRows) -> str:
    """HTML of both rows before and after, with their mean and variances; by_hand is the same without eps."""
    return table(_head(result), [[name, *map(real, values)] for name, *values in _rows(result, by_hand)])


def _head(result: NormalizedRows) -> list[str]:
    features = range(1, result.x.shape[1] + 1)
    return ["", *map(str, features), "mean", "biased var.", "unbiased var."]


def _rows(result: NormalizedRows, by_hand: NormalizedRows) -> list[list[Any]]:
    """A name and its numbers for each row, before and after."""
    before = (result.x, result.mean, result.biased_variance, result.unbiased_variance)
    stages = {"before": before, "normalized": _after(result), "without eps": _after(by_hand)}
    return [
        [f"{name}, example {i + 1}", *(value for column in columns for value in column[i].tolist())]
        for name, columns in stages.items()
        for i in range(len(result.x))
    ]


def _after(result: NormalizedRows) -> tuple[Tensor, ...]:
    return (
        result.normalized,
        result.normalized_mean,
        result.normalized_biased_variance,
        result.normalized_unbiased_variance,
    )

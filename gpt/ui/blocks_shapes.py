"""Building blocks, sections 4.5 and 4.6: the shape of every tensor on the way through the model."""

from dataclasses import asdict
from html import escape
from itertools import groupby
from typing import Any

import gradio as gr
import torch

from ..generation import Run
from ..shapes import AXES, NamedShape, tensor_shapes
from ..tokenizer import Tokenizer
from .blocks_shared import Drawn, end_of, show_on
from .export import json_file, save_button
from .shared import Page, table

KEY = "shapes"
LABEL = "Shapes"
SECTION = "sections 4.5 and 4.6"
INTRO = (
    "Every tensor on the way from token ids to logits, noted while the model ran. Between blocks the shape stays the "
    "same, which is why blocks can be stacked; open one to see it widen and split inside."
)

SENTENCES = ("Every effort moves you", "Every day holds a")  # the batch of section 4.1
_CHAPTER, _PROMPT = "The chapter's two sentences", "The prompt"
_TOKENIZER = Tokenizer()


def build(page: Page, note: gr.HTML) -> Drawn:
    """A choice of text and the list of tensors, one fold per stage."""
    text = gr.Radio(
        [_CHAPTER, _PROMPT],
        value=_CHAPTER,
        show_label=False,
        container=False,
        elem_id="shapes-text",
        elem_classes=["chips"],
    )
    listed = gr.HTML(elem_id="shapes-list")

    def measured(run: Run, text: str) -> tuple[NamedShape, ...]:
        loaded = page.library.get(run.model_name)
        ids = [_TOKENIZER.encode(s) for s in SENTENCES] if text == _CHAPTER else [end_of(run.prompt_ids, loaded)]
        return tensor_shapes(loaded.model, torch.tensor(ids))

    def draw(run: Run, text: str) -> tuple[Any, ...]:
        shapes = measured(run, text)
        said = f'<p class="status">{escape(page.library.get(run.model_name).name)}</p>'
        stages = [_stage(name, list(tensors)) for name, tensors in groupby(shapes, lambda shape: shape.stage)]
        return (said + _legend(shapes) + "".join(stages),)

    drawn: Drawn = (draw, [page.run, text], [listed])
    show_on([text.input], note, drawn)

    def save(run: Run | None, text: str) -> dict[str, str] | None:
        return None if run is None else json_file("shapes", [asdict(shape) for shape in measured(run, text)])

    with gr.Row():
        save_button("Save the shapes as JSON", "save-shapes", save, [page.run, text])
    return drawn


def _legend(shapes: tuple[NamedShape, ...]) -> str:
    lengths = {axis: length for shape in shapes for axis, length in zip(shape.axes, shape.shape, strict=True)}
    entries = (f"<div>{_dimension(lengths[axis], axis)} {escape(AXES[axis])}</div>" for axis in AXES)
    return f'<div class="axes">{"".join(entries)}</div>'


def _stage(name: str, tensors: list[NamedShape]) -> str:
    """One fold; the first block stands open, the others are like it."""
    rows = [[f"<code>{escape(t.code)}</code>", _shape(t), escape(t.holds)] for t in tensors]
    summary = f'{name}<span class="leaves">{len(tensors)} tensors, the last {_shape(tensors[-1])}</span>'
    state = "" if name.startswith("Block") and name != "Block 0" else " open"
    return (
        f'<details class="stage"{state}><summary>{summary}</summary>'
        f"{table(['Tensor', 'Shape', 'What it holds'], rows, 'shapes')}</details>"
    )


def _shape(tensor: NamedShape) -> str:
    return " × ".join(_dimension(*pair) for pair in zip(tensor.shape, tensor.axes, strict=True))


def _dimension(length: int, axis: str) -> str:
    return f'<span class="axis" title="{escape(AXES[axis])}">{length:,}<sub>{escape(axis)}</sub></span>'

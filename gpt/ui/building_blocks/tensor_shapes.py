"""Building blocks, sections 4.5 and 4.6: the shape of every tensor on the way through the model."""

from dataclasses import asdict
from html import escape
from itertools import groupby
from typing import Any

import gradio as gr
import torch

from ...chapter.printed_figures import BATCH
from ...chapter.tensor_shapes import AXES, NamedShape, tensor_shapes, without_weights
from ...library import LoadedModel
from ...runs import Run
from ...tokenizer import tokenizer_of
from ...tracing import WINDOW
from ..common.captions import About
from ..common.code_behind import code_area, code_value
from ..common.components import view_choice
from ..common.downloads import File, json_file
from ..common.drawing import Drawing, Updates
from ..common.page_context import Page
from ..common.page_html import status, table
from .panel_code import shapes_code
from .panel_tokens import last_tokens

KEY = "shapes"
LABEL = "Shapes"
SECTION = "sections 4.5 and 4.6"
INTRO = (
    "Every tensor on the way from token ids to logits, noted while the model ran. Between blocks the shape stays the "
    "same, which is why blocks can be stacked; open one to see it widen and split inside."
)

SENTENCES = ("Every effort moves you", "Every day holds a")  # the batch of section 4.1
_CHAPTER, _PROMPT, _ANY = "The chapter's two sentences", "The prompt", "Any batch"
_LOADED, _PRESET = "the loaded one", "gpt2-124M"
_INSTEAD = ", on the prompt: the chapter's sentences cannot be written in its vocabulary"
_MOST_TOKENS = 2 * WINDOW  # of a batch through the loaded model: more would keep others waiting


def build(page: Page, note: gr.HTML) -> Drawing:
    """A choice of text and model, and the list of tensors, one collapsible section per stage."""
    with gr.Row():
        texts = view_choice("shapes-text", [_CHAPTER, _PROMPT, _ANY])
        models = gr.Radio([_LOADED, _PRESET], value=_LOADED, label="Model", elem_id="shapes-model")
    with gr.Row(visible=False) as any_batch:
        n_texts = gr.Slider(1, 16, 2, step=1, label="Batch", info="Texts side by side.", elem_id="shapes-batch")
        length = gr.Slider(1, 1024, 3, step=1, label="Tokens", info="Of each text.", elem_id="shapes-length")
    listed = gr.HTML(elem_id="shapes-list")

    def measured(run: Run, text: str, model: str, b: float, t: float) -> tuple[NamedShape, ...]:
        loaded = page.library.get(run.model_name)
        if text == _ANY:
            ids = torch.zeros(int(b), int(t), dtype=torch.int64)
        else:
            batch = BATCH if model == _PRESET else chapters_batch(loaded)
            ids = torch.tensor((batch if text == _CHAPTER else ()) or [last_tokens(run.prompt_ids, loaded)])
        if model == _PRESET:
            return tensor_shapes(without_weights(_PRESET), ids)
        if ids.numel() > _MOST_TOKENS:
            raise ValueError(
                f"{ids.shape[0]} × {ids.shape[1]:,} tokens are many for the loaded model: choose at most "
                f"{_MOST_TOKENS} together, or {_PRESET}, whose shapes need no computing."
            )
        return tensor_shapes(loaded.model, ids)

    def draw(run: Run, text: str, model: str, b: float, t: float) -> Updates:
        shapes = measured(run, text, model, b, t)
        loaded = page.library.get(run.model_name)
        instead = _INSTEAD if text == _CHAPTER and not chapters_batch(loaded) else ""
        said = status(loaded.name + instead if model == _LOADED else f"{model}, without weights")
        stages = [_stage(name, list(tensors)) for name, tensors in groupby(shapes, lambda shape: shape.stage)]
        return {
            listed: said + _legend(shapes) + "".join(stages),
            behind: code_value(shapes_code(run, model == _LOADED, _batch(loaded, text, model, b, t))),
            any_batch: gr.update(visible=text == _ANY),
        }

    def file(run: Run, text: str, model: str, b: float, t: float) -> File:
        shapes = measured(run, text, model, b, t)
        loaded = page.library.get(run.model_name) if model == _LOADED else None
        about = About("Building blocks: tensor shapes", loaded.reference if loaded else model)
        settings = {"text": text, "prompt": run.prompt if text == _PROMPT else None}
        return json_file(about, settings | {"tensors": [asdict(shape) for shape in shapes]}, loaded)

    inputs: list[Any] = [texts, models, n_texts, length]
    with gr.Row():
        page.save_button("Save the shapes as JSON", "save-shapes", file, inputs)
    texts.input(lambda text: gr.Row(visible=text == _ANY), [texts], [any_batch], api_visibility="private")
    behind = code_area("shapes-code")
    drawing = page.drawing(draw, inputs, [listed, any_batch, behind], note)
    drawing.draw_on(*(each.input for each in inputs))
    return drawing


def chapters_batch(loaded: LoadedModel) -> list[tuple[int, ...]]:
    """The chapter's two sentences as a model's ids, both as long as the shorter one; none without words for them."""
    try:
        encoded = [tokenizer_of(loaded.model).encode(sentence) for sentence in SENTENCES]
    except ValueError:
        return []
    length = min(*map(len, encoded), loaded.model.config.context_length)
    return [tuple(ids[:length]) for ids in encoded]


def _batch(loaded: LoadedModel, text: str, model: str, b: float, t: float) -> str:
    """The batch of ids as an expression, in which `ids` is the prompt."""
    if text == _ANY:
        return f"torch.zeros({int(b)}, {int(t)}, dtype=torch.int64)"
    batch = BATCH if model == _PRESET else chapters_batch(loaded)
    if text == _CHAPTER and batch:
        return f"torch.tensor({list(map(list, batch))})"
    return "torch.tensor([ids])"


def _legend(shapes: tuple[NamedShape, ...]) -> str:
    lengths = {axis: length for shape in shapes for axis, length in zip(shape.axes, shape.shape, strict=True)}
    entries = (f"<div>{_dimension(lengths[axis], axis)} {escape(AXES[axis])}</div>" for axis in AXES if axis in lengths)
    return f'<div class="axes">{"".join(entries)}</div>'


def _stage(name: str, tensors: list[NamedShape]) -> str:
    """One collapsible section; of the blocks, which are alike, only the first is open."""
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

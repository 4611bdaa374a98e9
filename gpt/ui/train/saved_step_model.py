"""A saved step of a training, or its best model, becomes a model of the picker, for all tabs and all visitors."""

from typing import Any

import gradio as gr

from ...training.trainer import Trainer
from ..common.drawing import KEPT_EVENT, Updates, with_note
from ..common.page_context import Page
from ..common.page_html import status
from ..loaded_model_line import loaded_text
from ..model_picker import choices

_NO_WEIGHTS = status("The recording holds no weights: the steps of a model that you train here can be opened.")


def open_step(page: Page, trainer: Trainer, step: gr.Radio, source: gr.Radio, own: str) -> gr.Button:
    """A button that opens the chosen step, while `source` holds `own`; gives another one that opens the best model."""
    shape: dict[str, Any] = {"size": "sm", "elem_classes": ["small"], "interactive": False}
    button = gr.Button("Open this step in all tabs", elem_id="train-open", **shape)
    best = gr.Button("Open the best model in all tabs", elem_id="train-open-best", **shape)
    note = gr.HTML(_NO_WEIGHTS, elem_id="train-opened", elem_classes=["flush"])

    def opened(chosen: int | None) -> Updates:
        name, folder = trainer.copy_of(chosen)
        page.library.add(name, folder, "a saved step of a training on this server")
        loaded = page.library.get(name)
        return {
            page.model: loaded.reference,
            page.chosen: loaded.reference,
            page.loaded_line: loaded_text(loaded),
            page.models: gr.update(choices=choices(page.library), value=name),
            note: status(f"{name} is your model now: Generate writes with it."),
        }

    def offer(source: str | None) -> Updates:
        return {button: gr.update(interactive=source == own), note: "" if source == own else _NO_WEIGHTS}

    outputs = [note, page.model, page.chosen, page.loaded_line, page.models]
    button.click(lambda chosen: with_note(note, lambda: opened(int(chosen or 0))), [step], outputs, **KEPT_EVENT)
    best.click(lambda: with_note(note, lambda: opened(None)), None, outputs, **KEPT_EVENT)
    source.change(offer, [source], [button, note], **KEPT_EVENT)
    return best

"""A saved step of a training becomes a model of the picker, for all tabs and all visitors."""

import gradio as gr

from ...training.trainer import Trainer
from ..common.drawing import KEPT_EVENT, Updates, with_note
from ..common.page_context import Page
from ..common.page_html import status
from ..loaded_line import loaded_text
from ..model_picker import choices


def open_step(page: Page, trainer: Trainer, step: gr.Radio, is_own: gr.Radio, own: str) -> None:
    """A button that opens the chosen step, when `is_own` holds `own`: the recording has no weights."""
    assert page.loaded_line is not None
    assert page.models is not None
    button = gr.Button("Open this step in all tabs", size="sm", elem_id="train-open", elem_classes=["small"])
    note = gr.HTML(elem_id="train-opened", elem_classes=["flush"])

    def opened(source: str | None, chosen: str | None) -> Updates:
        if source != own:
            raise ValueError("The recording holds no weights: train a model here, then open its steps.")
        name, folder = trainer.copy_of(int(chosen or 0))
        page.library.add(name, folder, "a saved step of a training on this server")
        loaded = page.library.get(name)
        return {
            page.model: loaded.reference,
            page.loaded_line: loaded_text(loaded),
            page.models: gr.update(choices=choices(page.library), value=name),
            note: status(f"{name} is your model now: Generate writes with it."),
        }

    def click(source: str | None, chosen: str | None) -> Updates:
        return with_note(note, lambda: opened(source, chosen))

    button.click(click, [is_own, step], [note, page.model, page.loaded_line, page.models], **KEPT_EVENT)

"""A saved step of a training becomes a model of the picker, for all tabs and all visitors."""

import gradio as gr

from ...training.trainer import Trainer
from ..common.drawing import KEPT_EVENT, Updates, with_note
from ..common.page_context import Page
from ..common.page_html import status
from ..loaded_line import loaded_text
from ..model_picker import choices

_NO_WEIGHTS = status("The recording holds no weights: the steps of a model that you train here can be opened.")


def open_step(page: Page, trainer: Trainer, step: gr.Radio, source: gr.Radio, own: str) -> None:
    """A button that opens the chosen step, while `source` holds `own`."""
    button = gr.Button(
        "Open this step in all tabs", size="sm", elem_id="train-open", elem_classes=["small"], interactive=False
    )
    note = gr.HTML(_NO_WEIGHTS, elem_id="train-opened", elem_classes=["flush"])

    def opened(chosen: str | None) -> Updates:
        name, folder = trainer.copy_of(int(chosen or 0))
        page.library.add(name, folder, "a saved step of a training on this server")
        loaded = page.library.get(name)
        return {
            page.model: loaded.reference,
            page.chosen: loaded.reference,
            page.loaded_line: loaded_text(loaded),
            page.models: gr.update(choices=choices(page.library), value=name),
            note: status(f"{name} is your model now: Generate writes with it."),
        }

    def click(chosen: str | None) -> Updates:
        return with_note(note, lambda: opened(chosen))

    def offer(source: str | None) -> Updates:
        return {button: gr.update(interactive=source == own), note: "" if source == own else _NO_WEIGHTS}

    outputs = [note, page.model, page.chosen, page.loaded_line, page.models]
    button.click(click, [step], outputs, **KEPT_EVENT)
    source.change(offer, [source], [button, note], **KEPT_EVENT)

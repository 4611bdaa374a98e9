"""The header: says which model is loaded, and has the picker that changes it for this visitor."""

import gradio as gr

from ..library import Library
from . import model_picker
from .loaded_line import line

TITLE = "GPT-2 explorer"


def build(library: Library, model: gr.State) -> tuple[gr.HTML, gr.Dropdown]:
    """Lay the header out and wire the picker to the visitor's model.

    Returns the line that says what is loaded, and the list of models.
    """
    with gr.Row(elem_id="header", equal_height=True):
        gr.HTML(f"<h1>{TITLE}</h1>", scale=0, min_width=170)
        loaded_line = gr.HTML(line("Loading the model …"), elem_id="loaded", scale=1, min_width=280)
    with gr.Accordion("Change model", open=False, elem_id="picker"):
        models = model_picker.build(library, model, loaded_line)
    return loaded_line, models

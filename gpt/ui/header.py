"""The header: says which model is loaded, and has the picker that changes it for this visitor."""

from dataclasses import dataclass

import gradio as gr

from ..files.layouts import WeightsError
from ..library import Library
from ..version import APP
from . import model_picker
from .common.drawing import Drawing, Updates
from .copy_link import copy_link
from .linked_model import Linked, linked_model, wanted_html, wanted_model
from .loaded_model_line import line, loaded_text
from .theme_switch import theme_switch


@dataclass(frozen=True)
class Header:
    """What the page needs of it: the line that says what is loaded, the list of models, and how it is filled at first.

    `wanted` is where it says that the address names a model which does not come by itself.
    """

    loaded_line: gr.HTML
    models: gr.Dropdown
    wanted: gr.HTML
    opened: Drawing


def build(library: Library, model: gr.State, chosen: gr.State) -> Header:
    """Lay the header out and wire the picker to the visitor's model, and to what they have chosen."""
    with gr.Row(elem_id="header", equal_height=True):
        gr.HTML(f"<h1>{APP}</h1>", scale=0, min_width=170)
        loaded_line = gr.HTML(line("Loading the model …"), elem_id="loaded", scale=1, min_width=280)
        copy_link()
        theme_switch()
    wanted, wanted_reference = wanted_model(), gr.State("")
    with gr.Accordion("Change model", open=False, elem_id="picker"):
        picker = model_picker.build(library, (model, chosen), loaded_line, wanted, wanted_reference)

    def opened(request: gr.Request) -> Updates:
        linked = linked_model(library, request.query_params.get("model", ""))
        if linked.comes:
            try:
                said = loaded_text(library.get(linked.comes))
                return {loaded_line: said} | picker.names(library, linked.comes)
            except (ValueError, WeightsError) as error:
                linked = Linked(said=f"The model of the link could not be loaded. {error}")
        loaded = library.get()
        said = wanted_html(linked, loaded.reference)
        return {loaded_line: loaded_text(loaded), wanted: said, wanted_reference: linked.wanted, model: ""}

    outputs = [loaded_line, wanted, wanted_reference, model, *picker.choice()]
    return Header(loaded_line, picker.name, wanted, Drawing(opened, [], outputs))

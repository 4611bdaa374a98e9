"""The Building blocks tab: a panel for every section of chapter 4 but LayerNorm's, computed when it is opened."""

from typing import Any

import gradio as gr

from . import blocks_feedforward, blocks_gelu, blocks_loop, blocks_placeholder, blocks_shapes, blocks_shortcuts
from .blocks_shared import Drawn, explained, show_on
from .shared import Page, intro

KEY = "building-blocks"
LABEL = "Building blocks"

# Each is a module with KEY, LABEL, SECTION, INTRO and build(page, note); in the chapter's order.
PANELS: tuple[Any, ...] = (
    blocks_placeholder,
    blocks_gelu,
    blocks_feedforward,
    blocks_shortcuts,
    blocks_shapes,
    blocks_loop,
)


def build(page: Page) -> None:
    """Lay out the panels; each is drawn when it, or the tab with it in front, comes into view."""
    front = gr.State(PANELS[0].KEY)
    panels: dict[str, Drawn] = {}
    with gr.Tabs(elem_id="panels"):
        for panel in PANELS:
            with gr.Tab(panel.LABEL, id=panel.KEY) as tab:
                intro(panel.INTRO, panel.SECTION)
                note = gr.HTML(elem_id=f"{panel.KEY}-note", elem_classes=["note"])
                drawn = fn, inputs, outputs = panel.build(page, note)
            tab.select(lambda key=panel.KEY: key, None, [front], api_visibility="private")
            show_on([tab.select], note, drawn)
            panels[panel.KEY] = (explained(fn, len(outputs)), inputs, [note, *outputs])
    _draw_front(page, front, panels)


def _draw_front(page: Page, front: gr.State, panels: dict[str, Drawn]) -> None:
    """Draw the panel in front whenever the tab comes into view: the run may be another one by then."""
    places = {}
    all_inputs: list[Any] = []
    for key, (_, inputs, _) in panels.items():
        places[key] = slice(len(all_inputs), len(all_inputs) + len(inputs))
        all_inputs += inputs

    def draw(key: str, *values: Any) -> dict[Any, Any]:
        fn, _, outputs = panels[key]
        return dict(zip(outputs, fn(*values[places[key]]), strict=True))

    all_outputs = [output for _, _, outputs in panels.values() for output in outputs]
    page.when_opened(KEY, draw, [front, *all_inputs], all_outputs)

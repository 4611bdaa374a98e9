"""The Building blocks tab: a panel for every section of chapter 4 but LayerNorm's, computed when it is opened."""

from itertools import chain
from typing import Any

import gradio as gr

from ..common.address_values import by_id, one_of
from ..common.components import intro, note_area
from ..common.drawing import Drawing, Updates
from ..common.page_context import Page
from . import dropout, feed_forward, gelu, placeholder, printed_figures, shortcuts, tensor_shapes, text_loop

KEY = "building-blocks"
LABEL = "Building blocks"

# Each is a module with KEY, LABEL, SECTION, INTRO and build(page, note) -> Drawing; in the chapter's order, then its
# exercises and its print.
PANELS: tuple[Any, ...] = (
    placeholder,
    gelu,
    feed_forward,
    shortcuts,
    tensor_shapes,
    text_loop,
    dropout,
    printed_figures,
)


def build(page: Page) -> None:
    """Lay out the panels; each is drawn when it, or the tab with it in front, comes into view."""
    front = gr.State(PANELS[0].KEY)
    panels: dict[str, Drawing] = {}
    with gr.Tabs(elem_id="panels", overflow_behavior="wrap") as shown:
        for panel in PANELS:
            with gr.Tab(panel.LABEL, id=panel.KEY) as tab:
                intro(panel.INTRO, panel.SECTION)
                panels[panel.KEY] = panel.build(page, note_area(f"{panel.KEY}-note"))
            tab.select(lambda key=panel.KEY: key, None, [front], api_visibility="private")
            panels[panel.KEY].draw_on(tab.select)
    page.reachable(KEY, shown=shown, front=front)
    page.in_address(KEY, {"view": shown} | by_id(chain.from_iterable(panel.inputs for panel in panels.values())))
    page.from_address(KEY, "front", front, lambda query: one_of(panels, query.get("view")))
    page.when_opened(KEY, _in_front(front, panels))


def _in_front(front: gr.State, panels: dict[str, Drawing]) -> Drawing:
    """Whichever panel is in front: the run may be another one when the tab comes into view again."""
    inputs = list(dict.fromkeys(component for panel in panels.values() for component in panel.inputs))
    outputs = list(dict.fromkeys(component for panel in panels.values() for component in panel.outputs))

    def draw(key: str, *values: Any) -> Updates:
        value_of = dict(zip(inputs, values, strict=True))
        return panels[key].fn(*(value_of[component] for component in panels[key].inputs))

    return Drawing(draw, [front, *inputs], outputs)

"""The Map tab: the whole model as a picture, and the code of each of its parts beside the tensors it made."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ...runs import Run
from ..common.block_choice import block_in, block_slider, head_in, head_slider
from ..common.captions import about_traced
from ..common.choice_script import CHOOSING
from ..common.code_behind import code_area, code_value
from ..common.components import intro, note_area
from ..common.drawing import KEPT_EVENT, Updates
from ..common.page_context import Page
from ..common.saved_pictures import pictured
from ..common.token_strip import token_strip
from ..common.traced_run import traced_run
from ..common.traced_strip import traced_strip, traced_text
from .attention_steps import cell_chosen, following
from .box_code import box_code
from .box_details import box_details
from .boxes import Look, map_of
from .model_picture import FIRST_HEAD, map_svg
from .words import BOXES, CARRIED, SHAPE, Box

KEY = "map"
LABEL = "Map"

_EARLIER, _LATER = "earlier", "later"


def build(page: Page) -> None:
    """Lay the tab out and wire it: any change of box, block, head, token or switch draws it again."""
    intro(
        "The whole model, from the prompt at the top to the next token at the bottom. Choose a box: beside it stands "
        "the code that runs there, and under each line the tensor that the line made for your text.",
        "sections 4.1 to 4.7",
    )
    note = note_area("map-note")
    with gr.Row(equal_height=False, elem_classes=["map-sides"]):
        with gr.Column(scale=4, min_width=300, elem_classes=["map-side"]):
            carried = gr.Radio(
                list(CARRIED), value=SHAPE, label="Boxes carry", elem_id="map-carried", elem_classes=["chips"]
            )
            picture = _map("map-picture")
            said = gr.HTML(elem_id="map-said", elem_classes=["flush"])
        with gr.Column(scale=6, min_width=320):
            with gr.Row():
                blocks = block_slider("map-block", "Which block is opened up.")
                heads = head_slider("map-head", "Which head attention shows.")
            with gr.Column(elem_classes=["selected-run"]):
                strip = token_strip("map-strip")
            where = gr.HTML(elem_id="map-where")
            heading = gr.HTML(elem_id="map-heading", elem_classes=["flush"])
            with gr.Row():
                more = gr.Button("", size="sm", elem_id="map-more", elem_classes=["small"])
            follow = following("map-follow")
            followed = gr.Textbox("", visible="hidden", elem_id="map-cell")
            cell_chosen(follow, followed)
            code = gr.HTML(elem_id="map-code", elem_classes=["flush"])
    behind = code_area("map-code-behind")
    box = gr.Radio(list(BOXES), value="attention", label="Box", visible="hidden", elem_id="map-box")

    def look(run: Run, key: str | None, token: int | None, block: float, head: float, carry: str | None) -> Look:
        traced = traced_run(page.library, run, token)
        config = traced.model.config
        chosen_block, chosen_head = block_in(config, block)[0], head_in(config, head)[0]
        return Look(traced, BOXES[key or "attention"], chosen_block, chosen_head, carry or SHAPE)

    def draw(run: Run, cell: str | None, *values: Any) -> Updates:
        looked_at = look(run, *values)
        _, _, block, head, _ = values
        config, shown = looked_at.traced.model.config, box_details(looked_at, cell)
        about = about_traced("Map", looked_at.traced).at(block=looked_at.block, head=looked_at.head)
        return {
            picture: pictured(about, map_svg(map_of(looked_at))),
            said: f'<p class="status">{CARRIED[looked_at.carry]}</p>',
            strip: traced_strip(looked_at.traced),
            where: traced_text(looked_at.traced),
            blocks: block_in(config, block)[1],
            heads: head_in(config, head)[1],
            heading: shown.heading,
            more: gr.Button(f"{looked_at.box.more_said} →"),
            follow: shown.follow,
            code: shown.code,
            behind: code_value(box_code(looked_at)),
        }

    def choose(event: gr.SelectData, block: float, head: float) -> Updates:
        """A click on a box, on a head, or on the blocks before and after, which opens the nearest of them."""
        index = int(event.index)
        if index >= FIRST_HEAD:
            return {box: "attention", heads: index - FIRST_HEAD}
        key = list(BOXES)[index % len(BOXES)]
        if key in (_EARLIER, _LATER):
            return {box: "block", blocks: max(0, block + (1 if key == _LATER else -1))}
        return {box: key, heads: head}

    inputs = [box, page.position, blocks, heads, carried]
    outputs = [picture, said, strip, where, blocks, heads, heading, more, follow, code, behind]
    drawing = page.drawing(draw, [followed, *inputs], outputs, note)
    page.reachable(KEY, view=box, block=blocks, head=heads, show=carried)
    page.in_address(KEY, {"cell": followed})
    page.when_opened(KEY, drawing)

    def select(event: gr.SelectData) -> Updates:
        return {page.position: int(event.index), followed: ""}  # another token is followed from its own cell

    chosen = picture.select(choose, [blocks, heads], [box, blocks, heads], **KEPT_EVENT)
    selected = strip.select(select, None, [page.position, followed], api_visibility="private")
    drawing.draw_on(carried.input, blocks.input, heads.input, chosen.then, selected.then)
    more.click(
        lambda key, block: _step(page, BOXES[key or "attention"], block),
        [box, blocks],
        page.openable(),
        api_visibility="private",
    )


def _step(page: Page, box: Box, block: float) -> Updates:
    """What opens the tab that shows more of a box."""
    values: Mapping[str, Any] = box.more_values
    if box.more == "layernorm":
        values = {**values, "block": gr.update(value=int(block), maximum=max(int(block), 1))}
    if box.more == "building-blocks":
        values = {"shown": gr.Tabs(selected=values["view"]), "front": values["view"]}
    return page.opened(box.more, **values)


_EVENTS = r"""
chooseFrom('.box', () => ({ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: -Infinity, End: Infinity}));
// What is no button of HTML has to be told that Enter and space press it.
element.addEventListener('keydown', (event) => {
  const box = event.target.closest('.box');
  if (!box || (event.key !== 'Enter' && event.key !== ' ')) return;
  event.preventDefault();
  trigger('select', {index: Number(box.dataset.index), value: ''});
});
"""


def _map(elem_id: str) -> gr.HTML:
    """An empty map; its `select` event carries the index of a box, or FIRST_HEAD and that of a head."""
    return gr.HTML(
        value="", html_template="${value}", js_on_load=CHOOSING + _EVENTS, elem_id=elem_id, elem_classes=["flush"]
    )

"""Puts the page together: header, tabs, endpoints, and the address bar that reproduces a view."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from ..library import Library
from . import blocks, calculator, endpoints, generate, header, inside, layernorm, probabilities
from .address import controls_from, keep_address, selected_tab
from .shared import MODEL_EVENT, Page

STYLESHEET = Path(__file__).parents[2] / "assets" / "style.css"
THEME = gr.themes.Default(
    primary_hue="blue",
    neutral_hue="slate",
    font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "sans-serif"],
    font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
).set(body_text_color_subdued="*neutral_500")  # one step darker than Gradio's: small text on white has to be read

# Each is a module with KEY, LABEL and build(page); their order is the order on the page.
TABS: tuple[Any, ...] = (probabilities, layernorm, calculator, blocks, inside)


def build_page(library: Library) -> gr.Blocks:
    """The whole app; `launch` it with THEME and STYLESHEET."""
    with gr.Blocks(title=header.TITLE, analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
        unseen = gr.HTML(visible=False)
        page = Page(library, model=gr.State(""), run=gr.State(None), position=gr.State(None))
        loaded_line = header.build(library, page.model)
        with gr.Tabs(elem_id="tabs") as tabs:
            items = {}
            with gr.Tab(generate.LABEL, id=generate.KEY) as items[generate.KEY]:
                generating = generate.build(page)
            page = replace(page, generating=generating)
            generate.redraw_when_opened(page, generating)
            for tab in TABS:
                with gr.Tab(tab.LABEL, id=tab.KEY) as items[tab.KEY]:
                    tab.build(page)
        endpoints.build(library)
        for opened in page.opened:
            items[opened.tab].select(opened.fn, opened.inputs, opened.outputs, **MODEL_EVENT)
        _open_tokens(page, tabs)
        keep_address(tabs, generating.controls)

        def show_default() -> str:
            return header.loaded_text(library.get())

        blocks.load(show_default, None, [loaded_line], api_visibility="private")
        ready = blocks.load(controls_from, None, [tabs, *generating.controls.all()], api_visibility="private")
        ran = ready.then(generating.fn, generating.inputs, generating.outputs, **MODEL_EVENT)
        for opened in page.opened:
            ran.then(selected_tab(opened), opened.inputs, opened.outputs, **MODEL_EVENT)
        _report_progress_to(unseen, blocks)
    return blocks


def _report_progress_to(unseen: gr.HTML, blocks: gr.Blocks) -> None:
    """Let every event report that it runs to a component that is not on the page: the tabs say in words what they do.

    Left alone, Gradio tells each component that an event writes, and with every message of any event again all those
    that ever were told: that took longer than the model's first token.
    """
    for event in blocks.fns.values():
        event.show_progress = "hidden"
        event.show_progress_on = [unseen]


def _open_tokens(page: Page, tabs: gr.Tabs) -> None:
    """A click on a token of the Generate tab opens it on Probabilities."""
    assert page.generating is not None

    def open_token(event: gr.SelectData) -> tuple[int, gr.Tabs]:
        return event.index, gr.Tabs(selected=probabilities.KEY)

    page.generating.strip.select(open_token, None, [page.position, tabs], api_visibility="private")

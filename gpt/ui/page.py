"""Puts the page together: header, tabs, endpoints, and the address bar that reproduces a view."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from ..library import Library
from . import endpoints, header
from .address import keep_address, reading, view_from, when_named
from .building_blocks import tab as building_blocks
from .calculator import tab as calculator
from .common.drawing import MODEL_EVENT, Updates
from .common.hints import words_list
from .common.page_context import Page, Tab
from .common.saved_pictures import saved_pictures
from .common.scrolling import reachable_scrolling
from .generate import tab as generate
from .host.options import LAPTOP, Options
from .inside import tab as inside
from .layernorm import tab as layernorm
from .loaded_line import loaded_text
from .map import tab as model_map
from .probabilities import tab as probabilities
from .train import tab as train

STYLESHEET = Path(__file__).parents[2] / "assets" / "style.css"
THEME = gr.themes.Default(
    primary_hue="blue",
    neutral_hue="slate",
    font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "sans-serif"],
    font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
).set(  # each a step darker than Gradio's, so that it can be read: 4.5 : 1 or more
    body_text_color_subdued="#5b6779",  # between the theme's 500 and 600: also on the grey of a table
    color_accent="*primary_600",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_dark="*primary_600",
    button_primary_background_fill_hover_dark="*primary_700",
)

# The tabs after Generate, in the order on the page.
TABS: tuple[Tab, ...] = (probabilities, layernorm, calculator, building_blocks, inside, model_map, train)


def build_page(library: Library, options: Options = LAPTOP) -> gr.Blocks:
    """The whole app, as its host has set it; serve it with THEME and STYLESHEET."""
    blocks = gr.Blocks(title=header.TITLE, analytics_enabled=False, delete_cache=(3600, 3600))
    with blocks:
        endpoints.build(library, options)  # first: an event of the page may have a function called as an endpoint is
        unseen = gr.HTML(visible=False)
        page = Page(library, gr.State(""), gr.State(None), gr.State(None), options=options)
        loaded_line, models = header.build(library, page.model)
        page = replace(page, loaded_line=loaded_line, models=models)
        with gr.Tabs(elem_id="tabs") as tabs:
            items = {}
            page = replace(page, tabs=tabs)
            with gr.Tab(generate.LABEL, id=generate.KEY) as items[generate.KEY]:
                generating = generate.build(page)
            page = replace(page, generating=generating)
            for tab in TABS:
                with gr.Tab(tab.LABEL, id=tab.KEY) as items[tab.KEY]:
                    tab.build(page)
        words_list()
        reachable_scrolling()
        saved_pictures()
        for opening in page.openings:
            opening.drawing.draw_on(items[opening.tab].select)
        _select_tokens(page, tabs)
        keep_address(tabs, generating.controls, page.places)

        def show_default() -> str:
            return loaded_text(library.get())

        blocks.load(show_default, None, [loaded_line], api_visibility="private")

        read = reading(items.keys(), generating.controls)

        def from_address(request: gr.Request) -> list[Any]:
            return [*read(request), *view_from(page.places, request)]

        linked = [tabs, *generating.controls.all(), *page.places.values()]
        ready = blocks.load(from_address, None, linked, api_visibility="private")
        ran = ready.then(generating.fn, generating.inputs, generating.outputs, **MODEL_EVENT)
        for opening in page.openings:
            when_named(opening).draw_on(ran.then)
        _report_progress_to(unseen, blocks)
        _answer_every_click(blocks)
    return blocks


def _report_progress_to(unseen: gr.HTML, blocks: gr.Blocks) -> None:
    """Let every event report its progress to a component that is not on the page; the tabs say in words what they do.

    By default Gradio sends the state of an event to each of its outputs, and with every message again to all that
    were ever sent one: that took longer than the model's first token.
    """
    for event in blocks.fns.values():
        event.show_progress = "hidden"
        event.show_progress_on = [unseen]


def _answer_every_click(blocks: gr.Blocks) -> None:
    """Let the page send an event also while its last one is still answered; Gradio would drop it without a word.

    A clock's next tick may be dropped. What waits and then sends the newest values ("always_last") stays as it is.
    """
    for event in blocks.fns.values():
        if event.trigger_mode == "once" and all(name != "tick" for _, name in event.targets):
            event.trigger_mode = "multiple"


def _select_tokens(page: Page, tabs: gr.Tabs) -> None:
    """A click on a token of the Generate tab selects it and opens Probabilities."""
    assert page.generating is not None

    def select(event: gr.SelectData) -> Updates:
        return {page.position: event.index, tabs: gr.Tabs(selected=probabilities.KEY)}

    page.generating.strip.select(select, None, [page.position, tabs], api_visibility="private")

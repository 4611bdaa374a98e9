"""Puts the page together: header, tabs, endpoints, and the address bar that reproduces a view."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import gradio as gr
from gradio.themes import Size, sizes

from ..library import Library
from ..version import APP
from . import endpoints, header
from .address import (
    keep_model,
    keep_run_model,
    keep_settings,
    keep_token,
    reading,
    token_from,
    told_branch,
    when_named,
)
from .building_blocks import tab as building_blocks
from .calculator import tab as calculator
from .common.drawing import MODEL_EVENT, Updates
from .common.grown_figures import grown_figures
from .common.hints import words_list
from .common.keyboard import keyboard
from .common.page_context import Page, Tab
from .common.plot_library import fetch_plot_library
from .common.read_aloud import read_aloud
from .common.saved_pictures import saved_pictures
from .common.scrolling import reachable_scrolling
from .embedded_view import embedded
from .first_run import first_run
from .generate import tab as generate
from .generate.model_change import banner, run_again_with_another_model
from .generate.run_display import RunDisplay
from .host.host_options import LAPTOP, Options
from .inside import tab as inside
from .layernorm import tab as layernorm
from .linked_model import linked_model
from .linked_view import keep_view, view_from, viewed
from .long_prompt import READ_PROMPT
from .map import tab as model_map
from .outer_page import follow_outside
from .probabilities import tab as probabilities
from .tour import page_driving as tour
from .tour.tour_stops import named_in
from .train import tab as train

_ASSETS = Path(__file__).parents[2] / "assets"
STYLESHEET, ICON = _ASSETS / "style.css", _ASSETS / "icon.svg"


def _in_rem(pixels: Size) -> Size:
    """Sizes of a theme that grow with the page's type."""
    lengths = {name: value for name, value in vars(pixels).items() if name != "name"}
    return Size(**{name: f"{int(value.removesuffix('px')) / 16}rem" for name, value in lengths.items()}, name="in_rem")


THEME = gr.themes.Default(
    text_size=_in_rem(sizes.text_md),
    spacing_size=_in_rem(sizes.spacing_md),
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
    button_cancel_background_fill="#b91c1c",  # as Gradio's in dark
    button_cancel_background_fill_hover="#991b1b",
)

# The tabs after Generate, in the order on the page.
TABS: tuple[Tab, ...] = (probabilities, layernorm, calculator, building_blocks, inside, model_map, train)


def build_page(library: Library, options: Options = LAPTOP) -> gr.Blocks:
    """The whole app, as its host has set it; serve it with THEME and STYLESHEET."""
    blocks = gr.Blocks(title=APP, analytics_enabled=False, delete_cache=(3600, 3600))
    with blocks:
        endpoints.build(library, options)  # first: a function of the page may have the name of an endpoint
        unseen = gr.HTML(visible="hidden")
        model, chosen, run, position = gr.State(""), gr.State(""), gr.State(None), gr.State(None)
        branch = told_branch()
        top = header.build(library, model, chosen)
        whose, again = banner()
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            page = Page(
                library=library,
                model=model,
                chosen=chosen,
                run=run,
                position=position,
                branch=branch,
                tabs=tabs,
                loaded_line=top.loaded_line,
                models=top.models,
                whose=whose,
                options=options,
            )
            items = {}
            with gr.Tab(generate.LABEL, id=generate.KEY) as items[generate.KEY]:
                generating, display = generate.build(page)
            page = replace(page, generating=generating)
            for tab in TABS:
                with gr.Tab(tab.LABEL, id=tab.KEY) as items[tab.KEY]:
                    tab.build(page)
        embedded()
        follow_outside(options)
        words_list()
        reachable_scrolling()
        grown_figures()
        keyboard()
        read_aloud()
        saved_pictures()
        for opening in page.openings:
            opening.drawing.draw_on(items[opening.tab].select)
        _select_tokens(page, tabs)
        run_again_with_another_model(page, display, again)
        keep_settings(generating.controls)
        keep_view(page, tabs, first_tab=generate.KEY)
        keep_token(page.position)
        keep_model(top.loaded_line, top.wanted)
        keep_run_model(whose)
        bar = tour.build(page)
        _arrive(page, blocks, top, display, bar, items)
        _report_progress_to(unseen, blocks)
        _answer_every_click(blocks)
    return blocks


def _arrive(
    page: Page, blocks: gr.Blocks, top: header.Header, display: RunDisplay, bar: gr.HTML, items: Mapping[str, gr.Tab]
) -> None:
    """What a page does when it is opened: it reads its address, writes its first run, and draws the tab in front."""
    generating, tabs = page.generating, page.tabs
    assert generating is not None
    blocks.load(top.opened.fn, None, top.opened.outputs, api_visibility="private")
    linked = [page.position, tabs, *generating.controls.all()]
    read = reading(items.keys(), generating.controls)

    def from_address(long_prompt: str | None, request: gr.Request) -> Updates:
        comes = linked_model(page.library, request.query_params.get("model", "")).comes
        model: Updates = {page.model: comes or gr.skip()}
        stop = named_in(request.query_params)
        if stop is not None:
            return model | tour.arriving(page, stop, comes)
        token = token_from(request)
        position = gr.skip() if token is None else token
        shown = [position, *read(long_prompt, request)]
        return model | dict(zip(linked, shown, strict=True)) | view_from(page, request.query_params)

    packed = gr.Textbox("", visible="hidden", elem_id="linked-prompt")
    outputs = list(dict.fromkeys([page.model, *linked, *viewed(page), *page.openable()]))
    ready = blocks.load(from_address, [packed], outputs, js=READ_PROMPT, api_visibility="private")
    write = first_run(page, display, lambda *seen: {bar: tour.told_html(page, *seen)})
    ran = ready.then(write, generating.inputs, [*generating.outputs, bar], **MODEL_EVENT)
    fetch_plot_library(ran.then)
    generating.compare_after(ran.then)
    generating.compare_after(items[generate.KEY].select)
    for opening in page.openings:
        when_named(opening).draw_on(ran.then)


def _report_progress_to(unseen: gr.HTML, blocks: gr.Blocks) -> None:
    """Let every event report its progress to a component that is not on the page; the tabs say in words what they do.

    By default Gradio sends the state of an event to each of its outputs, and with every message again to all that
    were ever sent one: that took longer than the model's first token.
    """
    for event in blocks.fns.values():
        event.show_progress = "hidden"
        event.show_progress_on = [unseen]


def _answer_every_click(blocks: gr.Blocks) -> None:
    """Let the page send an event also while its last one is still answered; Gradio would drop it silently.

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

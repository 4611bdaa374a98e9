"""What a tab is built with, for tests of one piece of a page."""

import gradio as gr

from gpt.library import Library
from gpt.ui.common.page_context import Page


def bare_page(library: Library) -> Page:
    """A page without tabs, under construction: call it in a gr.Blocks."""
    return Page(
        library=library,
        model=gr.State(""),
        chosen=gr.State(""),
        run=gr.State(None),
        position=gr.State(None),
        branch=gr.Textbox(),
        tabs=gr.Tabs(),
        loaded_line=gr.HTML(),
        models=gr.Dropdown(),
        whose=gr.HTML(),
    )

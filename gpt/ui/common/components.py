"""Components that every tab lays out: its introduction, a place for notes, a choice of views, a place for a figure."""

from collections.abc import Sequence
from html import escape

import gradio as gr
import plotly.graph_objects as go
from gradio.components.plot import PlotData

from .captions import About
from .figure_in_words import figure_in_words
from .glossary import hinted


def intro(text: str, section: str) -> gr.HTML:
    """The two sentences at the top of a tab, with hints at their words, and the chapter's section they belong to."""
    return gr.HTML(f'<p class="intro">{hinted(text)} <span class="section">Chapter 4, {escape(section)}</span></p>')


def note_area(elem_id: str) -> gr.HTML:
    """Where a tab says what it cannot do; takes no room while it is empty."""
    return gr.HTML(elem_id=elem_id, elem_classes=["note"])


def view_choice(elem_id: str, names: Sequence[str]) -> gr.Radio:
    """One of several views, the first at the beginning, as a row of small buttons."""
    return gr.Radio(
        list(names),
        value=names[0],
        label="View",
        show_label=False,
        container=False,
        elem_id=elem_id,
        elem_classes=["chips"],
    )


def plot_area(elem_id: str, value: PlotData | None = None) -> gr.Plot:
    """A place for a figure, without frame and label; `plot(figure)` as value fills it from the start."""
    return gr.Plot(value, show_label=False, container=False, elem_id=elem_id, elem_classes=["figure"])


def plot(figure: go.Figure, about: About) -> PlotData:
    """A figure as the value of a gr.Plot, with what its picture says of it, and in words; without plotly's toolbar."""
    figure.update_layout(meta=about.words | {"inWords": figure_in_words(figure)})
    config = '{"displayModeBar":false}'
    return PlotData(type="plotly", plot=f'{figure.to_json()[:-1]},"config":{config}}}')

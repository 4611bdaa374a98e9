"""What the tabs share: the visitor's model and run, the event that a tab was opened, small pieces of page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr
import plotly.graph_objects as go
from gradio.components.plot import PlotData

from ..library import Library
from .ongoing import Ongoing

if TYPE_CHECKING:
    from .generate import Generating

# Everything that runs a model goes through one queue with room for so many at once.
MODEL_QUEUE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 8}
MODEL_EVENT: dict[str, Any] = MODEL_QUEUE | {"api_visibility": "private"}


@dataclass(frozen=True)
class Opened:
    """What a tab does when a visitor comes to it."""

    tab: str
    fn: Callable[..., Any]
    inputs: Sequence[Any]
    outputs: Sequence[Any]
    first_run: Callable[..., Any]  # the same for a page that opened on this tab, once its first run is there


@dataclass(frozen=True)
class Page:
    """Handed to every tab's `build`. The states belong to the visitor, the library to everybody."""

    library: Library
    model: gr.State  # reference of the chosen model, "" for the default
    run: gr.State  # Run | None: the generation all tabs look at
    position: gr.State  # int | None: which token of run.ids is opened
    generating: "Generating | None" = None  # the Generate tab, for all tabs built after it
    opened: list[Opened] = field(default_factory=list)
    ongoing: Ongoing = field(default_factory=Ongoing)  # runs and branches: only one grows at a time

    def when_opened(
        self,
        tab: str,
        fn: Callable[..., Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        first_run: Callable[..., Any] | None = None,
    ) -> None:
        """Call fn whenever the tab with this key comes into view, and when the first run of a page on it is there.

        A tab that looks for news by itself has another function for that: first_run.
        """
        self.opened.append(Opened(tab, fn, inputs, outputs, first_run or fn))


def plot(figure: go.Figure) -> PlotData:
    """A figure as the value of a gr.Plot; of plotly's toolbar only the button that saves a PNG is left."""
    config = '{"displaylogo":false,"modeBarButtons":[["toImage"]],"toImageButtonOptions":{"scale":2}}'
    return PlotData(type="plotly", plot=f'{figure.to_json()[:-1]},"config":{config}}}')


def plot_area(elem_id: str, value: PlotData | None = None) -> gr.Plot:
    """Where a figure goes: no frame, no label of its own; with `plot(figure)` as value it is there from the start."""
    return gr.Plot(value, show_label=False, container=False, elem_id=elem_id, elem_classes=["figure"])


def intro(text: str, section: str) -> gr.HTML:
    """The two sentences at the top of a tab, and the chapter's section they belong to."""
    return gr.HTML(f'<p class="intro">{escape(text)} <span class="section">Chapter 4, {escape(section)}</span></p>')


def problem(message: str) -> str:
    """HTML of one sentence about what went wrong, read out by screen readers; "" for none."""
    return f'<p class="problem" role="alert">{escape(message)}</p>' if message else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """HTML of a table of figures from cells that are HTML; the first cell of a row names it. Scrolls on a phone."""
    heading = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return f'<div class="scroll"><table class="figures {kind}"><thead><tr>{heading}</tr></thead>{body}</table></div>'

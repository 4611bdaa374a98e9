"""A tab with several views of one thing: what a view is, where it is shown, and how its numbers are saved.

Each view is drawn from what the visitor looks at, a frozen description that the tab makes of the run and its controls.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import gradio as gr
import plotly.graph_objects as go
from gradio.components import Component

from ...runs import Run
from .captions import About
from .components import plot
from .downloads import File, csv_file
from .drawing import Updates
from .page_context import Page
from .page_html import status
from .saved_pictures import pictured

Look = TypeVar("Look")

# The header of a table, and its rows.
Numbers = tuple[Sequence[Any], Iterable[Sequence[Any]]]


@dataclass(frozen=True)
class Shown:
    """What a view puts on the page: plain text that says what is seen, one or two figures, an HTML table.

    second_what says what the second figure shows.
    """

    said: str
    figure: go.Figure
    second: go.Figure | None = None
    second_what: str = ""
    table: str = ""


@dataclass(frozen=True)
class View(Generic[Look]):
    """One way to see what is looked at, and the numbers behind it."""

    show: Callable[[Look], Shown]
    numbers: Callable[[Look], Numbers]
    colours: str = ""  # what those of its figures mean, where no legend says so


@dataclass(frozen=True)
class ViewArea:
    """Where the view that is open is shown; the second figure's area is hidden without one."""

    said: gr.HTML
    figure: gr.Plot
    second: gr.Plot
    second_area: gr.Column
    table: gr.HTML

    def all(self) -> list[Any]:
        """As a list."""
        return list(vars(self).values())

    def updates(self, shown: Shown, about: About) -> Updates:
        """What puts a view here; about says what it is of."""
        second = {}
        if shown.second is not None:
            second[self.second] = plot(shown.second, replace(about, what=f"{about.what}, {shown.second_what}"))
        return second | {
            self.said: status(shown.said),
            self.figure: plot(shown.figure, about),
            self.second_area: gr.update(visible=shown.second is not None),
            self.table: pictured(replace(about, what=f"{about.what}, table"), shown.table) if shown.table else "",
        }


def save_numbers(
    page: Page,
    elem_id: str,
    views: Mapping[str, View[Look]],
    look: Callable[..., Look],
    about: Callable[[str, Look], About],
    inputs: Sequence[Component],
) -> None:
    """A button that saves the numbers of the view that is open as CSV.

    The first of the inputs is the choice of the view; look takes the Run and the values of the others. about takes the
    name of the view and what is looked at.
    """

    def file(run: Run, name: str, *values: Any) -> File:
        looked_at = look(run, *values)
        return csv_file(about(name, looked_at), *views[name].numbers(looked_at))

    page.save_button("Save these numbers as CSV", elem_id, file, inputs)

"""What the views of this package have in common: they are panels of a tab, and some take longer than a redraw may.

A long computation is an iterator of steps. A redraw takes the steps that fit into a moment; a button takes the others,
and what was computed is kept for everybody who asks the same.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any, Generic, TypeVar

import gradio as gr
from gradio.components import Component

from ...files.layouts import WeightsError
from ...runs import Run
from ..common.drawing import Listener, Updates
from ..common.glossary import hinted
from ..common.page_html import NO_RUN, problem
from ..common.redraw_pace import paced
from ..common.stoppable_work import Ongoing, stop_button
from ..common.waiting_events import waits_in_note, while_waiting

MOMENT_SECONDS = 0.6  # of computing, in a redraw
_MOST_KEPT = 16

Item = TypeVar("Item")

TAB = "inside"  # the key of the tab that the panels stand on


@dataclass(frozen=True)
class Panel:
    """A view with controls of its own: draw takes the Run, the selected position and the values of the inputs."""

    area: gr.Column
    note: gr.HTML  # what it cannot show
    draw: Callable[..., Updates]
    inputs: Sequence[Component]
    outputs: Sequence[Any]
    redraws: Sequence[Listener]  # the events after which the tab draws the panel again
    controls: Sequence[Component] = ()  # what a visitor sets, where that is more than the inputs
    ongoing: Ongoing = field(default_factory=Ongoing)  # what takes longer than a redraw


class Kept(Generic[Item]):
    """Results of long computations, step by step, of the latest questions that visitors asked."""

    def __init__(self) -> None:
        self._results: OrderedDict[Hashable, list[Item]] = OrderedDict()
        self._guard = Lock()

    def of(self, question: Hashable) -> list[Item]:
        """The steps that are there already, first to last."""
        with self._guard:
            return list(self._results.get(question, ()))

    def more(self, question: Hashable, steps: Callable[[int], Iterator[Item]]) -> Iterator[list[Item]]:
        """Compute what is missing: steps(n) gives those from number n on. Yields all that are there, after each."""
        found = self.of(question)
        for step in steps(len(found)):
            found = [*found, step]
            with self._guard:
                self._results[question] = found
                self._results.move_to_end(question)
                while len(self._results) > _MOST_KEPT:
                    self._results.popitem(last=False)
            yield found

    def in_a_moment(self, question: Hashable, steps: Callable[[int], Iterator[Item]], total: int) -> list[Item]:
        """The steps that a redraw can show: all `total` of them if they are kept or quick, else the first ones."""
        found, start = self.of(question), monotonic()
        if len(found) < total:
            for found in self.more(question, steps):  # noqa: B007  # the last one counts
                if monotonic() - start > MOMENT_SECONDS:
                    break
        return found


def streaming(
    ongoing: Ongoing, stop: gr.Button, note: gr.HTML, steps: Callable[..., Iterator[Updates]]
) -> Callable[..., Iterator[Updates]]:
    """A handler that draws steps(run, *values) as they come, until the visitor presses Stop.

    The Stop button is shown meanwhile.

    Each of the steps has to hold all that changed, as those that come too fast for the eye are left out. The note says
    that there is no run yet, or with which sentence the steps refuse.
    """

    def handle(request: gr.Request, run: Run | None, *values: Any) -> Iterator[Updates]:
        if run is None:
            yield {note: NO_RUN}
            return
        ended: Updates = {stop: stop_button(running=False)}
        try:
            with ongoing.begin(request) as stopped:
                yield {stop: stop_button(running=True), note: ""}
                for updates, _ in paced(steps(run, *values), stopped):
                    yield updates
        except (ValueError, WeightsError) as error:
            ended[note] = problem(str(error))
        yield ended

    return while_waiting(handle, waits_in_note(ongoing, note, stop))


def small_button(label: str, elem_id: str) -> gr.Button:
    """A button no wider than its words."""
    return gr.Button(label, size="sm", elem_id=elem_id, elem_classes=["small"])


def said_html(text: str) -> str:
    """HTML of the sentence about what a view shows, with hints at its words."""
    return f'<p class="status">{hinted(text)}</p>'


def limits(text: str) -> gr.HTML:
    """The sentence about what a view cannot tell, with hints at its words."""
    return gr.HTML(f'<p class="hint">{hinted(text)}</p>', elem_classes=["flush"])

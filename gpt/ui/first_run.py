"""The first run of a page, and what its link asks for beyond it: a branch of that run, or a stop of the tour."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from ..files.layouts import WeightsError
from ..runs import Run, finished
from .common.drawing import Updates
from .common.linked_branch import grown_branches
from .common.page_context import Page
from .common.page_html import problem
from .common.waiting_events import waits_of, while_waiting
from .generate.run_display import RunDisplay
from .tour.tour_stop import Stop
from .tour.tour_stops import named_in

# Draws the tour's bar at a stop, of the run that the page has then.
Telling = Callable[[Stop, str, Run | None], Updates]


def first_run(page: Page, display: RunDisplay, tell: Telling) -> Callable[..., Iterator[Updates]]:
    """The function that writes the first run of a page; it takes what `Generating.fn` takes."""
    generating = page.generating
    assert generating is not None
    write = generating.fn

    def opened(request: gr.Request, reference: str, *controls: Any) -> Iterator[Updates]:
        stop, asked = named_in(request.query_params), request.query_params.get("branch", "")
        run = None
        for updates in write(request, reference, *controls):
            run = updates.get(page.run, run)
            yield updates | {page.branch: asked}  # the address keeps it while it is not there yet
        if stop is not None:
            yield tell(stop, reference, run)
        elif asked and run is not None and finished(run):
            yield from _branched(page, display, request, run, asked)
        elif asked:  # refused, or stopped
            yield {page.branch: ""}

    waits = waits_of(write)
    assert waits is not None
    return while_waiting(opened, waits)


def _branched(page: Page, display: RunDisplay, request: gr.Request, run: Run, asked: str) -> Iterator[Updates]:
    """The branch that a link asks for, grown from the first run; one sentence where that run cannot have it."""
    with page.ongoing.begin(request, run.model_name) as stopped:
        try:
            runs = grown_branches(page.library.get(run.model_name).model, run, asked)
            yield from display.growing(runs, stopped, page.options.max_seconds)
        except (ValueError, WeightsError) as error:
            yield display.buttons(running=False) | {display.status: problem(str(error)), page.branch: ""}

"""The first run of a page, and what its link asks for beyond it.

That is a branch of the run, a stop of the tour, or another model than the loaded one for the run.
"""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from ..files.layouts import WeightsError
from ..runs import Run, finished
from .address import RUN_MODEL
from .common.drawing import Updates
from .common.linked_branch import grown_branches
from .common.page_context import Page
from .common.page_html import problem
from .common.waiting_events import waits_of, while_waiting
from .generate.model_change import BRANCH, whose, whose_run
from .generate.run_display import RunDisplay
from .linked_model import Linked, linked_model
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
        query = request.query_params
        stop, asked = named_in(query), query.get("branch", "")
        writer = linked_model(page.library, "" if stop else query.get(RUN_MODEL, ""))
        run = None
        for updates in write(request, writer.comes or reference, *controls):
            run = updates.get(page.run, run)
            yield updates | {page.branch: asked}  # the address keeps it while it is not there yet
        if stop is not None:
            yield tell(stop, reference, run)
        elif asked and run is not None and finished(run) and not writer.said:
            yield from _branched(page, display, request, run, asked)
        elif asked:  # refused, or stopped
            asked = ""
            yield {page.branch: asked}
        if run is not None and writer != Linked():
            yield {display.whose: _whose(writer, run, page.library.get(reference).reference, BRANCH if asked else "")}

    waits = waits_of(write)
    assert waits is not None
    return while_waiting(opened, waits)


def _whose(writer: Linked, run: Run, loaded: str, why: str) -> str:
    """What the banner says once the run is there: nothing where it is by the model that is loaded, as asked for."""
    if writer.said:
        return whose(f"The figures of the link are not these. {writer.said}")
    return "" if run.model_name == loaded else whose_run(run, loaded, why)


def _branched(page: Page, display: RunDisplay, request: gr.Request, run: Run, asked: str) -> Iterator[Updates]:
    """The branch that a link asks for, grown from the first run; one sentence where that run cannot have it."""
    with page.ongoing.begin(request, run.model_name) as stopped:
        try:
            runs = grown_branches(page.library.get(run.model_name).model, run, asked)
            yield from display.growing(runs, stopped, page.options.max_seconds)
        except (ValueError, WeightsError) as error:
            yield display.buttons(running=False) | {display.status: problem(str(error)), page.branch: ""}

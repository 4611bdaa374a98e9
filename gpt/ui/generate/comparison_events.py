"""Another model, precision or settings beside the run of the Generate tab: its text, where they part, how far apart.

What is chosen is compared at once with every run that the tab shows, unless its model would have to be loaded first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ...files.layouts import WeightsError
from ...library import Library
from ...model_reference import Reference
from ...run_comparison import Compared, compared, same_tokens
from ...runs import Run, written_again
from ..common.address_values import by_id
from ..common.code_behind import code_area, code_value
from ..common.components import note_area, plot, plot_area
from ..common.downloads import csv_file, save_button
from ..common.drawing import KEPT_EVENT, MODEL_EVENT, Listener, Updates
from ..common.page_context import Page
from ..common.page_html import problem
from ..common.redraw_pace import paced
from ..common.stoppable_work import Ongoing, stop_when_clicked
from ..common.time_limit import time_is_over, within
from ..common.token_strip import token_strip
from ..common.waiting_events import while_waiting
from . import comparison_views as views
from .comparison_choice import NOTHING, Choice, lay_out_choice, second_run, shown_for
from .comparison_code import beside_code
from .comparison_views import Pair
from .run_display import RunDisplay, length, status
from .run_steps_code import run_steps_code


@dataclass(frozen=True)
class Beside:
    """The choice, and where it is shown; `area` is hidden while nothing is."""

    choice: Choice
    load: gr.Button
    note: gr.HTML
    area: gr.Column
    pair: gr.State  # Pair | None: what is shown
    heading: gr.HTML
    strip: gr.HTML
    said: gr.HTML
    numbers: gr.Column  # the figure and what saves its numbers, hidden where both sides are one model
    figure: gr.Plot
    code: gr.HTML


def lay_out(library: Library) -> Beside:
    """Make the components, below the strip of the run."""
    made: dict[str, Any] = {"choice": lay_out_choice(library)}
    made["load"] = gr.Button("Load it and compare", size="sm", visible=False, elem_id="beside-load")
    made["note"] = note_area("beside-note")
    made["pair"] = gr.State(None)
    with gr.Column(visible=False, elem_classes=["beside"]) as made["area"]:
        made["heading"] = gr.HTML(elem_id="beside-heading")
        made["strip"] = token_strip("beside-strip", "tokens of the run beside it")
        made["said"] = gr.HTML(elem_id="beside-said")
        with gr.Column(visible=False) as made["numbers"]:
            made["figure"] = plot_area("beside-figure")
            with gr.Row(elem_classes=["keeping"]):
                save_button("Save these numbers as CSV", "beside-csv", _file, [made["pair"]])
        made["code"] = code_area("beside-code")
    return Beside(**made)


def wire(page: Page, display: RunDisplay, beside: Beside, tab: str) -> Callable[[Listener], None]:
    """Wire the choice; gives what compares again after an event that may have made another run."""
    choice = beside.choice
    page.in_address(tab, by_id(choice.all()))
    choice.kind.change(
        lambda kind: shown_for(choice, kind, page.library), [choice.kind], choice.all(), api_visibility="private"
    )
    reference = gr.State(None)  # of the model that is compared next, None for none
    seen = [page.run, beside.pair, *choice.all()]
    places = [reference, beside.note, beside.load, beside.area]
    compare = _comparing(page, display, beside)
    outputs = [*[each for each in vars(beside).values() if each is not choice], display.stop]

    def listen(listener: Listener, choose: Callable[..., Updates]) -> None:
        chosen = listener(choose, seen, places, **KEPT_EVENT)
        chosen.then(compare, [page.run, reference, *choice.all()], outputs, **MODEL_EVENT)

    def chosen(asked: bool) -> Callable[..., Updates]:
        def choose(run: Run | None, pair: Pair | None, *values: Any) -> Updates:
            nothing = {reference: None, beside.note: "", beside.load: gr.update(visible=False)}
            hidden = {beside.area: gr.update(visible=False)}
            if run is None or values[0] == NOTHING:
                return nothing | hidden
            try:
                named, second = second_run(page.library, run, *values)
                if (named, second.settings.sampling) == (run.model_name, run.settings.sampling):
                    raise ValueError("Both sides would be the same: choose something else to stand beside this text.")
                if pair is not None and pair.is_of(run, named, second.settings):
                    return nothing | {beside.area: gr.update(visible=True)}
                if asked or page.library.comes_at_once(named):
                    return nothing | {reference: named}
                return nothing | hidden | _offered(page.library, beside, named)
            except (ValueError, WeightsError) as error:
                return nothing | hidden | {beside.note: problem(str(error))}

        return choose

    at_once, when_asked = chosen(asked=False), chosen(asked=True)
    for listener in (choice.kind.input, choice.model.input, choice.precision.input):
        listen(listener, at_once)
    for listener in (choice.seed.submit, choice.seed.blur):
        listen(listener, at_once)
    for slider in (choice.temperature, choice.top_k, choice.top_p):
        listen(slider.release, at_once)
    listen(beside.load.click, when_asked)
    return lambda listener: listen(listener, at_once)


def _comparing(page: Page, display: RunDisplay, beside: Beside) -> Callable[..., Iterator[Updates]]:
    """The function that writes the second text and reads the first one with its model."""
    limit = page.options.max_seconds

    def compare(request: gr.Request, run: Run | None, reference: str | None, *values: Any) -> Iterator[Updates]:
        if run is None or reference is None:
            yield {beside.note: gr.skip()}  # of an event without any news Gradio empties all outputs
            return
        with page.ongoing.begin_aside(request) as stopped:
            if stopped is None:
                yield {beside.note: gr.skip()}
                return  # another text is being written, and is compared when it is there
            try:
                _, second = second_run(page.library, run, *values)
                steps = _steps(page.library, run, reference, second)
                yield display.buttons(running=True)
                for news, is_last in paced(within(steps, limit), stopped):
                    if isinstance(news, str) and not is_last:
                        yield {beside.note: status(news)}
                    elif isinstance(news, Pair) and is_last:
                        yield _shown(beside, news) | display.buttons(running=False)
                    elif is_last:
                        over = "Stopped." if stopped.is_set() else time_is_over(limit or 0)
                        yield display.buttons(running=False) | {beside.note: status(over)}
            except (ValueError, WeightsError) as error:
                yield display.buttons(running=False) | {beside.note: problem(str(error))}

    # It waits apart from other events: of several that wait together only the last goes on, and a comparison must not
    # keep a text from being written.
    waits = Ongoing()
    stop_when_clicked(display.stop, waits)
    return while_waiting(compare, display.waits(waits, beside.note, "Stopped."))


def _steps(library: Library, run: Run, reference: str, second: Run) -> Iterator[str | Pair]:
    """What to say on the way, and in the end the two runs side by side."""
    first, other = library.get(run.model_name).model, library.get(reference)
    beside = second
    for beside in written_again(other.model, other.reference, second):
        yield f"Writing beside it: {length(beside)} …"
    if not same_tokens(first, other.model):
        yield Pair(run, beside, None)
        return
    found: list[Compared] = []
    for each in compared(first, run, other.model):
        found.append(each)
        yield f"Comparing token by token: {len(found)} …"
    yield Pair(run, beside, tuple(found))


def _offered(library: Library, beside: Beside, named: str) -> Updates:
    """The button that loads a model which is not loaded without a click."""
    model = Reference.parse(named)
    shown = f"{model.name} in {model.precision}"
    if library.must_be_downloaded(named):
        said, label = f"{shown} is not on this machine yet.", f"Download {model.name} from the Hub and compare"
    else:
        said, label = f"{shown} is not loaded yet.", f"Load {model.name} and compare"
    return {beside.note: status(said), beside.load: gr.update(visible=True, value=label)}


def _shown(beside: Beside, pair: Pair) -> Updates:
    tokens = pair.tokens if pair.second.model_name != pair.first.model_name else ()
    lines = beside_code(pair.first, pair.second.model_name, tokens[0].position) if tokens else None
    figure = {beside.figure: plot(views.kl_figure(tokens, pair.first), pair.about)} if tokens else {}
    return figure | {
        beside.note: "",
        beside.pair: pair,
        beside.area: gr.update(visible=True),
        beside.heading: status(views.heading(pair)),
        beside.strip: views.second_strip(pair),
        beside.said: status(views.said(pair)),
        beside.numbers: gr.update(visible=bool(tokens)),
        beside.code: code_value(lines or run_steps_code(pair.second)),
    }


def _file(pair: Pair | None) -> Any:
    return None if pair is None or not pair.tokens else csv_file(pair.about, views.COLUMNS, views.rows(pair))

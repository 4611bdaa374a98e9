"""Lets the bar drive the page: a stop writes its text if need be, opens its tab, and has it drawn."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ...files.layouts import WeightsError
from ...library import LoadedModel
from ...model_reference import UNTRAINED
from ...runs import Run, encoded_prompt, finished
from ...tokenizer import tokenizer_of
from ..common.drawing import MODEL_EVENT, Updates
from ..common.model_loading import loading
from ..common.page_context import Page
from ..generate.first_prompt import readable
from . import tour_bar
from .lessons import writing_text
from .tour_stop import PROMPT, SETTINGS, Stop, Told
from .tour_stops import STOPS
from .tour_text import Reading


def build(page: Page) -> gr.HTML:
    """The bar, shut, and what its steps do. Call it once all tabs are there."""
    shown = gr.HTML(
        tour_bar.waiting_html(),
        html_template="${value}",
        js_on_load=tour_bar.script(),
        elem_id="tour",
        elem_classes=["flush"],
    )
    redrawn = gr.State("")  # the tab that was in front already, so that its own event does not draw it
    assert page.generating is not None
    generating, controls = page.generating, page.generating.controls

    def step(event: gr.SelectData, request: gr.Request, reference: str, run: Run | None) -> Iterator[Updates]:
        index = event.index
        if index not in range(len(STOPS)):
            yield {redrawn: ""}
            return
        stop = STOPS[index]
        try:
            loaded = page.library.get(reference)
            if run is None or not _is_the_tours(run, loaded):
                values = _settings()
                yield {getattr(controls, name): value for name, value in values.items()}
                given = [values[name] for name in vars(controls)]
                for updates in generating.fn(request, reference, *given):
                    run = updates.get(page.run, run)
                    yield updates
            told = {shown: _told(page, stop, loaded, run)}
        except (ValueError, WeightsError) as error:
            told = {shown: tour_bar.refused_html(index, str(error))}
        n_prompt = 1 if run is None else len(run.prompt_ids)
        yield opening(page, stop, n_prompt) | told | {redrawn: stop.tab if event.value == stop.tab else ""}

    outputs = [*generating.outputs, *controls.all(), *page.openable(), page.position, shown, redrawn]
    stepped = shown.select(step, [page.model, page.run], _once(outputs), **MODEL_EVENT)
    _draw_again(page, redrawn, stepped.then)
    _ask_untrained(page, shown)
    return shown


def told_html(page: Page, stop: Stop, reference: str, run: Run | None) -> str:
    """The bar of a page that was opened on a stop, for the run that it wrote."""
    try:
        return _told(page, stop, page.library.get(reference), run)
    except (ValueError, WeightsError) as error:
        return tour_bar.refused_html(STOPS.index(stop), str(error))


def _told(page: Page, stop: Stop, loaded: LoadedModel, run: Run | None) -> str:
    """The bar at a stop. Raises ValueError without a run to speak of."""
    if run is None or not run.steps:
        raise ValueError("The text of this stop was stopped before its first token: choose the stop again.")
    return tour_bar.bar_html(STOPS.index(stop), stop.tell(Reading(page.library, loaded, run)))


def opening(page: Page, stop: Stop, n_prompt: int) -> Updates:
    """What opens the tab of a stop, with its values and its token, for a prompt of so many tokens."""
    values = {name: _fitting(page.places[stop.tab, name], value) for name, value in stop.values.items()}
    position = n_prompt - 1 if stop.reads_prompt else None
    return {page.position: position} | page.opened(stop.tab, **values)


def arriving(page: Page, stop: Stop, reference: str) -> Updates:
    """What a page that is opened on a stop begins with: its tab, and the settings that write its text.

    reference is that of its model.
    """
    assert page.generating is not None
    controls, n_prompt = page.generating.controls, 1
    with suppress(ValueError, WeightsError):  # the first run will say so
        reader = tokenizer_of(page.library.get(reference).model)
        n_prompt = len(encoded_prompt(reader, readable(reader, PROMPT)))
    return opening(page, stop, n_prompt) | {getattr(controls, name): value for name, value in _settings().items()}


def _settings() -> dict[str, Any]:
    """The values of the controls that write the tour's text."""
    sampling = SETTINGS.sampling
    return {
        "prompt": PROMPT,
        "length": SETTINGS.max_new_tokens,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "seed": SETTINGS.seed,
        "greedy": False,
        "begin_with_end_of_text": False,
    }


def _is_the_tours(run: Run, loaded: LoadedModel) -> bool:
    """Whether a visitor's run is the text of the tour, to its end."""
    asked = readable(tokenizer_of(loaded.model), PROMPT)
    same = (run.model_name, run.prompt, run.settings, run.parent) == (loaded.reference, asked, SETTINGS, None)
    return same and finished(run) and not run.begin_with_end_of_text


def _ask_untrained(page: Page, shown: gr.HTML) -> None:
    """The button of the stop that asks the untrained model, which is made first if memory has room for it."""

    def ask(reference: str) -> Iterator[Updates]:
        index = next(index for index, stop in enumerate(STOPS) if stop.asks_untrained)
        try:
            said = ""
            for now in loading(page.library, UNTRAINED):
                if now != said:
                    yield {shown: tour_bar.bar_html(index, Told(now, is_reply=True))}
                said = now
            told = writing_text.replies(page.library.get(reference), page.library.get(UNTRAINED))
            yield {shown: tour_bar.bar_html(index, told)}
        except (ValueError, WeightsError) as error:
            yield {shown: tour_bar.refused_html(index, str(error))}

    shown.submit(ask, [page.model], [shown], **MODEL_EVENT)


def _draw_again(page: Page, redrawn: gr.State, listen: Any) -> None:
    """A tab that stays in front is drawn by one event for all tabs, whichever it is."""
    drawing = page.drawing_of(redrawn)

    def draw(*values: Any) -> Updates:
        return {redrawn: ""} | drawing.fn(*values)

    outputs = [redrawn, *drawing.outputs]
    listen(draw, list(drawing.inputs), outputs, trigger_mode="always_last", **MODEL_EVENT)


def _fitting(component: Block, value: Any) -> Any:
    if isinstance(component, gr.Tabs):
        return gr.Tabs(selected=value)
    if isinstance(component, gr.Slider):  # the tab fits it to its model when it is drawn
        return gr.update(value=value, maximum=max(value, 1))
    return value


def _once(components: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(components))

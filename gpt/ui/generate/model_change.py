"""Another model was loaded: what the page shows is run again with it. What stays says whose figures it shows.

A branch is a choice of the visitor, so it stays, and so does a text that the loaded model cannot read.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from ...files.layouts import WeightsError
from ...model_reference import in_an_address
from ...runs import Run, written_again
from ...tokenizer import tokenizer_of
from ..common.drawing import MODEL_EVENT, Updates
from ..common.page_context import Page
from ..common.run_controls import Generating
from ..common.waiting_events import Waits, while_waiting
from .first_prompt import readable
from .run_display import RunDisplay, length, status

BRANCH = "The branch stays until you run it again."
_STOPPED = "The tabs still show figures of the model that was loaded before."
# Which tab is in front, only the page knows.
_IN_FRONT = """(_, ...values) => {
  const tab = document.querySelector('#tabs [role=tab][aria-selected=true]');
  return [tab ? tab.textContent.trim().toLowerCase().replace(/ /g, '-') : '', ...values];
}"""


def banner() -> tuple[gr.HTML, gr.Button]:
    """The line that says whose figures the tabs show, empty where they are the loaded model's, and its button.

    The stylesheet hides both while the line is empty.
    """
    with gr.Row(elem_id="whose", equal_height=True):
        said = gr.HTML(elem_id="whose-said", elem_classes=["flush"])
        button = gr.Button("Run it again with the loaded model", size="sm", elem_id="whose-again", min_width=90)
    return said, button


def run_again_with_another_model(page: Page, display: RunDisplay, again: gr.Button) -> None:
    """Wire the visitor's choice of a model, wherever it is made, and the banner's button; build all tabs before."""
    generating = page.generating
    assert generating is not None
    waits = Waits(
        page.ongoing,
        lambda said: {display.status: status(said)} | display.buttons(running=True),
        lambda: {display.whose: whose(_STOPPED), display.status: ""} | display.buttons(running=False),
    )
    changed = while_waiting(_changed(page, generating, display), waits)
    pressed = while_waiting(_rewriting(page, display), waits)
    inputs, front = [display.run, *generating.inputs], gr.Textbox(visible=False)
    drawing = page.drawing_of(front)
    for listen, fn, values in (
        (page.chosen.change, changed, inputs),  # the State's own event: several tabs load models
        (again.click, pressed, inputs[:3]),
    ):
        ran = listen(fn, values, generating.outputs, trigger_mode="multiple", **MODEL_EVENT)
        generating.compare_after(ran.then)
        ran.then(drawing.fn, list(drawing.inputs), list(drawing.outputs), js=_IN_FRONT, **MODEL_EVENT)


def _changed(page: Page, generating: Generating, display: RunDisplay) -> Callable[..., Iterator[Updates]]:
    rewriting = _rewriting(page, display)

    def changed(request: gr.Request, run: Run | None, reference: str, *controls: Any) -> Iterator[Updates]:
        if page.ongoing.is_writing(request, reference):
            yield {display.whose: ""}
        elif run is None:
            yield from generating.fn(request, reference, *controls)
        elif run.model_name == reference:
            yield {display.whose: ""}
        elif run.parent is None:
            yield from rewriting(request, run, reference, controls[0])
        else:
            said = {display.whose: whose_run(run, reference, BRANCH), display.status: status(f"{length(run)}.")}
            yield said | display.buttons(running=False)

    return changed


def _rewriting(page: Page, display: RunDisplay) -> Callable[..., Iterator[Updates]]:
    """The function that runs a text again with the visitor's model; `typed` is what stands in the prompt's field."""

    def rewriting(request: gr.Request, run: Run | None, reference: str, typed: str) -> Iterator[Updates]:
        if run is None:
            return
        with page.ongoing.begin(request, reference) as stopped:
            try:
                loaded = page.library.get(reference)
                asked = readable(tokenizer_of(loaded.model), run.prompt)
                if asked != run.prompt == typed:
                    yield {display.prompt: asked}
                runs = written_again(loaded.model, loaded.reference, replace(run, prompt=asked))
                yield from display.growing(runs, stopped, page.options.max_seconds)
            except (ValueError, WeightsError) as error:
                said = {display.whose: whose_run(run, reference, str(error)), display.status: status(f"{length(run)}.")}
                yield display.buttons(running=False) | said

    return rewriting


def whose_run(run: Run, reference: str, why: str) -> str:
    """What the banner says where the run is not of the model that is loaded, and why it stays."""
    said = f"The tabs show figures of {run.model_name}, and {reference} is loaded. {why}"
    return whose(said.strip(), model=in_an_address(run.model_name))


def whose(said: str, model: str = "") -> str:
    """HTML of the banner. The address takes `model` from it, by which the run is written again."""
    named = f' data-model="{escape(model)}"' if model else ""
    return f'<p class="whose" data-aloud{named}>{escape(said)}</p>'

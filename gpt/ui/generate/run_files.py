"""Saves the run that the page shows as a file, and opens such a file: its model reads the text again, and checks it.

Until the model has confirmed the whole text, the page keeps what it shows.
"""

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.events import Dependency

from ...files.layouts import WeightsError
from ...library import LoadedModel
from ...model_reference import in_an_address
from ...runs import Run
from ...saved_run import MOST_BYTES, SavedRun, is_by, is_whole, opened, read_run, run_text, saved_run
from ..common.captions import about_run
from ..common.downloads import File
from ..common.drawing import KEPT_EVENT, MODEL_EVENT, Updates
from ..common.linked_branch import branch_text
from ..common.page_context import Page
from ..common.page_html import problem
from ..common.redraw_pace import paced
from ..common.run_controls import Controls
from ..common.run_settings import settings_from
from ..common.time_limit import time_is_over, within
from ..common.waiting_events import while_waiting
from ..linked_model import linked_model
from ..loaded_model_line import loaded_text
from .run_display import RunDisplay, length, status

_STOPPED = "Stopped: the file was not opened."
# The browser reads the file that a visitor chooses, and sends its text; of a file that is too large, just enough to
# notice that.
_CHOOSE = """async (_, ...values) => {
  const field = Object.assign(document.createElement('input'), {type: 'file', accept: '.json,application/json'});
  const file = await new Promise((chosen) => {
    field.addEventListener('change', () => chosen(field.files[0]));
    field.addEventListener('cancel', () => chosen(null));
    field.click();
  });
  return [file ? await file.slice(0, MOST).text() : null, ...values];
}""".replace("MOST", str(MOST_BYTES + 1))


def save_and_open(page: Page) -> gr.Button:
    """The two buttons; the one that opens is wired by `open_when_clicked`."""
    with gr.Row(elem_classes=["keeping"]):
        page.save_button("Save this run", "save-this-run", lambda run: _file(page, run))
        return gr.Button("Open a run", size="sm", elem_id="open-run", elem_classes=["small"])


def open_when_clicked(button: gr.Button, page: Page, display: RunDisplay, controls: Controls) -> Dependency:
    """Wire the button that opens a file; what is opened takes the place of the run, and of what stands in controls.

    Gives the event that may have made another run.
    """
    text = gr.Textbox(visible=False, elem_id="opened-file")
    saved, writer = gr.State(None), gr.State(None)  # what was read, and the reference of the model that wrote it
    limits = page.options

    def read(text: str | None, current: str) -> Updates:
        nothing = {saved: None, writer: None}
        if text is None:
            return nothing  # no file was chosen
        try:
            found = read_run(text)
            settings = found.settings
            settings_from(settings.max_new_tokens, settings.sampling, settings.seed, limits.max_tokens)
            _check_controls(found, controls)
            return {saved: found, writer: _writer(page, found, current)}
        except (ValueError, WeightsError) as error:
            return nothing | {display.status: problem(str(error))}

    def read_again(request: gr.Request, found: SavedRun | None, reference: str | None) -> Iterator[Updates]:
        if found is None or reference is None:
            yield {display.status: gr.skip()}  # of an event without any news Gradio empties all outputs
            return
        with page.ongoing.begin(request, reference) as stopped:
            try:
                loaded = page.library.get(reference)
                if not is_by(found, loaded.model.config, loaded.weights_digest):
                    raise ValueError(_other_weights(found))
                runs = within(opened(loaded.model, loaded.reference, found), limits.max_seconds)
                yield display.buttons(running=True)
                for run, is_last in paced(runs, stopped):
                    if not is_last:
                        yield {display.status: status(f"Reading the run again: {length(run)} …")}
                    elif is_whole(found, run):
                        yield _shown(page, display, controls, loaded, run, found)
                    else:
                        over = _STOPPED if stopped.is_set() else time_is_over(limits.max_seconds or 0)
                        yield display.buttons(running=False) | {display.status: status(over)}
            except (ValueError, WeightsError) as error:
                yield display.buttons(running=False) | {display.status: problem(str(error))}

    while_waiting(read_again, display.waits(page.ongoing, display.status, _STOPPED))
    chosen = button.click(read, [text, page.model], [saved, writer, display.status], js=_CHOOSE, **KEPT_EVENT)
    outputs = [page.model, page.chosen, page.loaded_line, *controls.all(), *display.all()]
    ended: Dependency = chosen.then(read_again, [saved, writer], list(dict.fromkeys(outputs)), **MODEL_EVENT)
    return ended


def _file(page: Page, run: Run) -> File:
    loaded = page.library.get(run.model_name)
    saved = saved_run(run, in_an_address(run.model_name), loaded.weights_digest, loaded.model.config)
    return {"name": f"{about_run('Saved run', run).name}.json", "type": "application/json", "text": run_text(saved)}


def _writer(page: Page, saved: SavedRun, current: str) -> str:
    """Reference of the model that wrote a run: the visitor's own, or one that comes by itself. Raises ValueError."""
    own = page.library.find(current)
    if own is not None and is_by(saved, own.model.config, own.weights_digest):
        return own.reference
    reference = linked_model(page.library, saved.model).comes
    if not reference:
        raise ValueError(
            f"This run was written by {saved.model}, which is not loaded: load it under Change model, then open the "
            "file again."
        )
    return reference


def _other_weights(saved: SavedRun) -> str:
    return f"The weights of {saved.model} here are not those that wrote this run: it opens only with the same ones."


def _check_controls(saved: SavedRun, controls: Controls) -> None:
    """Raise ValueError for settings that the page's controls cannot have."""
    for name, value in _settings_by_name(saved).items():
        control: Any = getattr(controls, name)
        least, most = control.minimum, control.maximum
        if not least <= value <= most:
            raise ValueError(f"{control.label} is {value:,g} in the file: this page takes {least:,g} to {most:,g}.")


def _settings_by_name(saved: SavedRun) -> dict[str, Any]:
    """Values for the controls that hold numbers; a greedy run leaves the temperature as it is."""
    sampling = saved.settings.sampling
    numbers = {
        "length": saved.settings.max_new_tokens,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "seed": saved.settings.seed,
    }
    return numbers if sampling.greedy else numbers | {"temperature": sampling.temperature}


def _shown(
    page: Page, display: RunDisplay, controls: Controls, loaded: LoadedModel, run: Run, saved: SavedRun
) -> Updates:
    """The run that was opened, its model and its settings on the page, as if it had just been written."""
    asked = {getattr(controls, name): value for name, value in _settings_by_name(saved).items()}
    asked |= {
        controls.prompt: saved.prompt,
        controls.greedy: saved.settings.sampling.greedy,
        controls.begin_with_end_of_text: saved.begin_with_end_of_text,
    }
    model = {page.model: loaded.reference, page.chosen: loaded.reference, page.loaded_line: loaded_text(loaded)}
    said: Updates = {display.status: status(f"{length(run)}, opened from a file."), display.whose: ""}
    said |= {display.beside: gr.update(visible=False)}
    told = {page.run: run, page.branch: branch_text(run)}
    return asked | model | told | display.shown(run) | display.behind(run) | said | display.buttons(running=False)

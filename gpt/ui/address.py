"""The address bar holds model, prompt, settings, seed and token, so that a link opens the same run again."""

from collections.abc import Callable, Collection
from math import isnan, nan
from typing import Any

import gradio as gr

from ..runs import encoded_prompt
from ..tokenizer import Tokenizer
from .common.address_values import place_in
from .common.drawing import Drawing, Updates
from .common.page_context import Opening
from .common.run_controls import Controls
from .long_prompt import UNREADABLE, WRITE_PROMPT
from .tour.tour_stops import tab_of

RUN_MODEL = "run_model"  # by which the run was written, where that is not the model that is loaded
_SWITCHES = ("greedy", "begin_with_end_of_text")

_LONGEST_SHOWN = 30  # characters of a value in a sentence

_TOKENIZER = Tokenizer()

_WRITE = """(...values) => {
  const names = %s;WRITE_PROMPT
  const url = new URL(window.location);
  names.forEach((name, i) => name === 'prompt' || url.searchParams.set(name, values[i]));
  writePrompt(url, String(values[names.indexOf('prompt')]));
}""".replace("WRITE_PROMPT", WRITE_PROMPT)
_NAMED_MODEL = """
  const named = (html) => {
    const found = new DOMParser().parseFromString(html ?? '', 'text/html').querySelector('[data-model]');
    return found && found.dataset.model;
  };
"""
# The header's line names the model, and what the link wants instead names the one that is shown in its place.
_WRITE_MODEL = """(line, wanted) => {NAMED_MODEL
  const model = named(line);
  if (!model || model === named(wanted)) return [wanted];
  const url = new URL(window.location);
  url.searchParams.set('model', model);
  window.history.replaceState(null, '', url);
  return [''];
}""".replace("NAMED_MODEL", _NAMED_MODEL)

# A text under a name; "" takes the name away.
_WRITE_TEXT = """
  const url = new URL(window.location);
  text ? url.searchParams.set('NAME', text) : url.searchParams.delete('NAME');
  window.history.replaceState(null, '', url);
"""


def keep_settings(controls: Controls) -> None:
    """Write the run's controls whenever one of them changes; nothing is sent to the server."""
    write = _WRITE % list(vars(controls))
    for control in controls.all():
        control.change(None, controls.all(), None, js=write, api_visibility="private")


def keep_model(loaded_line: gr.HTML, wanted: gr.HTML) -> None:
    """Write the model that the header says is loaded, unless the link wants another that the page offers to load."""
    loaded_line.change(None, [loaded_line, wanted], [wanted], js=_WRITE_MODEL, api_visibility="private")


def keep_run_model(whose: gr.HTML) -> None:
    """Write whose run the tabs show, while the banner says that it is not the loaded model's."""
    write = f"(said) => {{{_NAMED_MODEL}const text = named(said);{_write_text(RUN_MODEL)}}}"
    whose.change(None, [whose], None, js=write, api_visibility="private")


def keep_token(position: gr.State) -> None:
    """Write which token is selected, whichever tab it was selected on.

    Only the server knows it. It tells the page in a hidden text field: a number field could not be empty.
    """
    told = gr.Textbox(visible="hidden", elem_id="selected-token")
    position.change(lambda index: "" if index is None else str(index + 1), [position], [told], api_visibility="private")
    _keep_text(told, "token")


def told_branch() -> gr.Textbox:
    """The text of the branch that all tabs show, "" for none, in a hidden field: the address holds it."""
    told = gr.Textbox("", visible="hidden", elem_id="told-branch")
    _keep_text(told, "branch")
    return told


def token_from(request: gr.Request) -> int | None:
    """The place of the token that the address selects, None where it selects none."""
    text = request.query_params.get("token", "")
    try:
        number = place_in(text)
    except ValueError:
        return None
    return number - 1 if number else None


def reading(tabs: Collection[str], controls: Controls) -> Callable[[str | None, gr.Request], list[Any]]:
    """The function that gives updates of the tabs and the controls from the address a page was opened with.

    tabs are the keys of the tabs. It takes the prompt of the fragment too: "" for none, None for one that cannot be
    read; then no other prompt is run in its place. Of a value that cannot be used, the nearest or the default one is
    taken, and a line beside the control says so.
    """

    def read(long_prompt: str | None, request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        if long_prompt:
            query["prompt"] = long_prompt
        if long_prompt is None:
            query["begin_with_end_of_text"] = "false"  # an empty prompt is a prompt, too
        updates: list[Any] = [gr.Tabs(selected=query["tab"]) if query.get("tab") in tabs else gr.skip()]
        for name, control in vars(controls).items():
            if name == "prompt" and long_prompt is None:
                updates.append(gr.update(value="", info=UNREADABLE))
            else:
                updates.append(_update(name, control, query[name]) if name in query else gr.skip())
        return updates

    return read


def when_named(opening: Opening) -> Drawing:
    """Draws the first run on a tab that the address names; on any other tab nothing changes."""
    first = opening.first_run
    fn, outputs = first.fn, first.outputs

    def draw(request: gr.Request, *values: Any) -> Updates:
        named = tab_of(request.query_params) == opening.tab
        return fn(*values) if named else {outputs[0]: gr.skip()}

    return Drawing(draw, first.inputs, outputs, first.reads_text)


def _keep_text(told: gr.Textbox, name: str) -> None:
    told.change(None, [told], None, js=f"(text) => {{{_write_text(name)}}}", api_visibility="private")


def _write_text(name: str) -> str:
    return _WRITE_TEXT.replace("NAME", name)


def _update(name: str, control: Any, text: str) -> Any:
    """The value that a text stands for, or the one taken instead with the line that says so."""
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    if name == "prompt":
        return _instead(control, control.value, f"{len(text):,} characters, too many") if _is_too_long(text) else text
    if name in _SWITCHES:
        return text == "true" if text in ("true", "false") else _instead(control, False, shown)
    try:
        asked = float(text)
    except ValueError:
        asked = nan
    if isnan(asked):
        return _instead(control, control.value, shown)
    nearest = min(max(asked, control.minimum), control.maximum)
    whole = control.step == 1 or getattr(control, "precision", None) == 0
    value = round(nearest) if whole else nearest
    return value if value == asked else _instead(control, value, shown)


def _instead(control: Any, value: Any, asked: str) -> Any:
    """Another value than was asked for, and in place of the hint the line that says so."""
    is_default = value == control.value or not isinstance(value, int | float)
    taken = "the default is taken" if is_default else f"the nearest is {value:,g}"
    return gr.update(value=value, info=f"The link says {asked}; {taken}.")


def _is_too_long(prompt: str) -> bool:
    try:
        encoded_prompt(_TOKENIZER, prompt)
    except ValueError:
        return prompt != ""
    return False

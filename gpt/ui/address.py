"""The address bar holds tab, prompt, settings and seed, so that a link shows the same view again."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from .generate import Controls
from .shared import Opened

_NUMBERS = ("length", "temperature", "top_k", "top_p", "seed")

_LONGEST = 1_500  # characters: servers and chat programs cut longer addresses

_WRITE = """(...values) => {
  const names = %s;
  const url = new URL(window.location);
  const fits = (value) => String(value).length <= %d;
  names.forEach((name, i) => fits(values[i]) ? url.searchParams.set(name, values[i]) : url.searchParams.delete(name));
  window.history.replaceState(null, '', url);
}"""
_WRITE_TAB = """() => {
  const url = new URL(window.location);
  const tab = document.querySelector('#tabs [role=tab][aria-selected=true]');
  if (tab) url.searchParams.set('tab', tab.textContent.trim().toLowerCase().replace(/ /g, '-'));
  window.history.replaceState(null, '', url);
}"""


def keep_address(tabs: gr.Tabs, controls: Controls) -> None:
    """Write the address whenever a control or the tab changes; nothing is sent to the server."""
    write = _WRITE % (list(vars(controls)), _LONGEST)
    for control in controls.all():
        control.change(None, controls.all(), None, js=write, api_visibility="private")
    tabs.change(None, None, None, js=_WRITE_TAB, api_visibility="private")


def controls_from(request: gr.Request) -> list[Any]:
    """Updates of the tabs and the controls from the address the page was opened with."""
    query = dict(request.query_params)
    updates = [gr.Tabs(selected=query["tab"]) if "tab" in query else gr.skip()]
    for name in Controls.__dataclass_fields__:
        updates.append(_value(name, query[name]) if name in query else gr.skip())
    return updates


def selected_tab(opened: Opened) -> Callable[..., Any]:
    """What the tab does with the first run when the address names that tab, else a function that changes nothing."""

    def show(request: gr.Request, *inputs: Any) -> Any:
        if request.query_params.get("tab") != opened.tab:
            return gr.skip() if len(opened.outputs) == 1 else [gr.skip()] * len(opened.outputs)
        return opened.first_run(*inputs)

    return show


def _value(name: str, text: str) -> Any:
    if name == "greedy":
        return text == "true"
    if name not in _NUMBERS:
        return text
    try:
        return float(text)
    except ValueError:
        return gr.skip()

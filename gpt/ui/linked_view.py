"""What the tabs show, in the address: the page writes what differs from its first value, and a link sets it again.

Only what the tab in front shows is there, so that an address stays short. A change of tab or view is a step that Back
undoes; everything else replaces the address.
"""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.blocks import Block

from .common.address_values import SEPARATOR, linked_value, tabs_by_label
from .common.page_context import Page

_Places = dict[tuple[str, str], Block]

# One reading for all changes of a moment: for each value read, Gradio searches all its components.
_WRITE_SOON = """() => {
  window.addressSoon ??= setTimeout(() => {
    window.addressSoon = null;
    document.getElementById('write-address').click();
  }, 50);  // a tab is marked as selected after it says so
}"""
# Of each place: its tab and name, its first value (unless the run decides that), and where its value is found: by its
# index among the values, or as the open one of some tabs.
_WRITE = """(...values) => {
  const places = PLACES;
  const text = (value) => value === null || value === undefined ? '' :
    Array.isArray(value) ? value.join('SEPARATOR') : String(value);
  const front = (tabs) => document.querySelector('#' + tabs + ' [role=tab][aria-selected=true]')?.textContent.trim();
  const label = front('tabs');
  if (!label) return;
  const url = new URL(window.location), query = url.searchParams;
  const open = label.toLowerCase().replace(/ /g, '-');
  const view = () => [query.get('tab') ?? 'FIRST', query.get('view') ?? ''].join(' ');
  const before = view();
  query.set('tab', open);
  const here = places.filter((place) => place.tab === open);
  places.forEach((place) => here.some(({name}) => name === place.name) || query.delete(place.name));
  here.forEach((place) => {
    const value = text('index' in place ? values[place.index] : place.ids[front(place.tabs)] ?? place.first);
    'first' in place && value === text(place.first) ? query.delete(place.name) : query.set(place.name, value);
  });
  if (url.href === window.location.href) return;
  // A page that nobody has touched yet only completes its own address.
  const isStep = view() !== before && navigator.userActivation?.hasBeenActive;
  window.history[isStep ? 'pushState' : 'replaceState'](null, '', url);
}"""

# A step back or forward opens what the address then holds, as a link does.
_GO_BACK = """window.addEventListener('popstate', () => {
  // What this page still has to write belongs to the address before the step.
  window.history.pushState = window.history.replaceState = () => {};
  window.location.reload();
});"""
# On a page with a <base> element, plotly names the clip paths of a figure by the page's whole address. When the address
# changes, Chromium no longer finds them and shows an empty figure. Gradio's <base href="./"> changes nothing else, so
# it can be removed.
_WITHOUT_BASE = """document.querySelector('base[href="./"]')?.remove();"""


def keep_view(page: Page, tabs: gr.Tabs, first_tab: str) -> None:
    """Write the address whenever the tab or what it shows changes; nothing is sent to the server."""
    found = _places(page)
    controls = [each for each in found.values() if not isinstance(each, gr.Tabs)]
    inputs = list(dict.fromkeys(controls))
    places = [
        {"tab": tab, "name": name} | _first(each, (tab, name) in page.of_the_run) | _where(each, inputs)
        for (tab, name), each in found.items()
    ]
    write = _WRITE.replace("SEPARATOR", SEPARATOR).replace("FIRST", first_tab).replace("PLACES", json.dumps(places))
    gr.HTML("", js_on_load=_GO_BACK + _WITHOUT_BASE, visible="hidden")
    # An event each: for every event, Gradio searches the page for all that could have triggered it.
    for each in dict.fromkeys([tabs, *found.values()]):
        each.change(None, None, None, js=_WRITE_SOON, api_visibility="private")  # type: ignore[attr-defined]
    button = gr.Button(visible="hidden", elem_id="write-address")
    button.click(None, inputs, None, js=write, api_visibility="private")


def viewed(page: Page) -> list[Any]:
    """All that a link may set in the tabs."""
    return list(dict.fromkeys([*_places(page).values(), *(each.state for each in page.remembered.values())]))


def view_from(page: Page, query: Mapping[str, str]) -> dict[Any, Any]:
    """What a link sets in the tab that it names: a value that cannot be used is left out."""
    found = {
        each: linked_value(each, query[name])
        for (tab, name), each in _places(page).items()
        if query.get("tab") == tab and name in query
    }
    for (tab, name), remembered in page.remembered.items():
        if query.get("tab") == tab:
            try:
                found[remembered.state] = remembered.read(query)
            except ValueError:
                if (tab, name) in page.linked:
                    found.pop(page.linked[tab, name], None)  # what the page is told of the state
    return found


def _places(page: Page) -> _Places:
    """All components with a place in the address, by tab and name."""
    opened = {place: each for place, each in page.places.items() if not isinstance(each, gr.Tabs | gr.State)}
    return opened | page.linked


def _first(component: Any, of_the_run: bool) -> dict[str, Any]:
    if of_the_run:
        return {}
    is_tabs = isinstance(component, gr.Tabs)
    return {"first": next(iter(tabs_by_label(component).values())) if is_tabs else component.value}


def _where(component: Any, inputs: list[Any]) -> dict[str, Any]:
    if isinstance(component, gr.Tabs):
        return {"tabs": component.elem_id, "ids": tabs_by_label(component)}
    return {"index": inputs.index(component)}

"""A component's place in the address: which text stands there for its value, and what a text of a link sets.

A text that cannot be used sets nothing: what the tab shows at first stays.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import gradio as gr
from gradio.blocks import Block

from .block_choice import fits_its_model

SEPARATOR = ","  # between the values of a group of check boxes

_MOST_PLACES = 100_000  # more than any model's blocks, heads or tokens
_LONGEST_TEXT = 2_000  # characters


@dataclass(frozen=True)
class Remembered:
    """A value that only the server knows, or that is set in its own way, and how it is read from a link.

    read takes all of the link's query and gives the new value; it raises ValueError where there is none to use.
    """

    state: Block
    read: Callable[[Mapping[str, str]], Any]


def by_id(components: Iterable[Any]) -> dict[str, Block]:
    """The controls among some components by their elem_ids, which are then their names in the address."""
    return {each.elem_id: each for each in components if not isinstance(each, gr.State)}


def linked_value(component: Block, text: str) -> Any:
    """The value, or gr.update, that a text of a link sets; gr.skip() where it cannot be used."""
    try:
        return _READ[type(component)](component, text)
    except ValueError:
        return gr.skip()


def place_in(text: str) -> int:
    """A whole number from 0 on. Raises ValueError for another text."""
    if text.isdecimal() and text.isascii() and len(text) <= len(str(_MOST_PLACES)) and int(text) <= _MOST_PLACES:
        return int(text)
    raise ValueError(f"{text[:20]} is no place.")


def named_place(name: str, query: Mapping[str, str]) -> int:
    """The place that a link's query has under a name. Raises ValueError without a usable one."""
    return place_in(query.get(name, ""))


def text_of_place(place: int | None) -> str:
    """What stands in the address for a chosen place, "" for none."""
    return "" if place is None else str(place)


def one_of(known: Collection[str], text: str | None) -> str:
    """The text, where it is a known one. Raises ValueError for another, and without one."""
    if text is None or text not in known:
        raise ValueError("The link names none of those that exist.")
    return text


def tabs_by_label(tabs: gr.Tabs) -> dict[str, str]:
    """The ids of tabs by what stands on them."""
    return {str(tab.label): str(tab.id) for tab in tabs.children if isinstance(tab, gr.Tab)}


def _choice(component: Any, text: str) -> Any:
    found = [value for _, value in component.choices if str(value) == text]
    return found[0] if found else gr.skip()


def _choices(component: gr.CheckboxGroup, text: str) -> Any:
    asked = text.split(SEPARATOR) if text else []
    known = [value for _, value in component.choices]
    return [value for value in known if value in asked] if set(asked) <= set(known) else gr.skip()


def _switch(_: gr.Checkbox, text: str) -> Any:
    return text == "true" if text in ("true", "false") else gr.skip()


def _slider(component: gr.Slider, text: str) -> Any:
    if fits_its_model(component):
        number = place_in(text)
        return gr.update(value=number, maximum=max(number, component.maximum))
    return _within(component, _number(text))


def _typed(component: gr.Number, text: str) -> Any:
    if not text:
        return None  # an empty field
    value = _number(text)
    return gr.skip() if component.precision == 0 and isinstance(value, float) else _within(component, value)


def _within(component: Any, value: float) -> Any:
    """The value, where it lies within the range of its component."""
    is_less = component.minimum is not None and value < component.minimum
    is_more = component.maximum is not None and value > component.maximum
    return gr.skip() if is_less or is_more else value


def _number(text: str) -> float:
    """A whole number as int. Raises ValueError for what is no finite number."""
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:20]} is not finite.")
    return int(value) if value.is_integer() else value


def _text(_: gr.Textbox, text: str) -> Any:
    return text if len(text) <= _LONGEST_TEXT else gr.skip()


def _tab(component: gr.Tabs, text: str) -> Any:
    return gr.Tabs(selected=text) if text in tabs_by_label(component).values() else gr.skip()


_READ: dict[type[Block], Callable[[Any, str], Any]] = {
    gr.Radio: _choice,
    gr.Dropdown: _choice,
    gr.CheckboxGroup: _choices,
    gr.Checkbox: _switch,
    gr.Slider: _slider,
    gr.Number: _typed,
    gr.Textbox: _text,
    gr.Tabs: _tab,
}

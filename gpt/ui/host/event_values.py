"""The values that come with an event, checked before any function sees them: wrong types are wrong.

Gradio makes text of a number, a number of true, and downloads what looks like a file; none of it is wanted here.
"""

import inspect
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, get_args, get_type_hints

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.components import Component
from gradio.components.api_component import Api

from ...config import LARGEST_COUNT

_LONGEST_SHOWN = 60  # characters of a value in a sentence
_LONGEST_CHOICE = 1_000  # characters of what is typed into a list of choices
_MOST_CHOICES = LARGEST_COUNT  # places that a click may name: a row of candidates is named by its token id


def checked_values(event: BlockFunction, values: Sequence[Any], current: Callable[[Block], Block]) -> list[Any]:
    """The values of an event's inputs, whole numbers as int. Raises ValueError with one sentence.

    `current` gives a component as the visitor's page has it: with another range or other choices, if it was changed.
    """
    names = _names(event)
    if len(values) != len(names):
        raise ValueError(_wrong_number(event, names, len(values)))
    kinds = get_type_hints(inspect.unwrap(event.fn)) if event.api_visibility == "public" and event.fn else {}
    checked = []
    for block, name, value in zip(event.inputs, names, values, strict=True):
        if isinstance(block, Api):
            checked.append(_of_kind(name, value, kinds.get(name, str)))
        elif isinstance(block, gr.State):
            checked.append(None)  # kept on this side; what the page sends is not read
        else:
            checked.append(_of_component(name, value, current(block)))
    return checked


def check_choice(data: Any) -> None:
    """Raise ValueError when what comes with a click does not name a place, as `gr.SelectData` reads it."""
    index = data.get("index") if isinstance(data, dict) else None
    places = index if isinstance(index, list) and 1 <= len(index) <= 2 else [index]
    if not all(_is_place(place) for place in places) or "value" not in data:
        raise ValueError(f"The choice is {shown(data)}: it has to hold the index and the value of what was chosen.")


def shown(value: Any) -> str:
    """A value as a sentence can hold it: as JSON, cut to a readable length."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = str(type(value).__name__)
    text = text.encode("utf-8", "replace").decode()  # half a surrogate pair cannot be sent
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _names(event: BlockFunction) -> list[str]:
    """What to call each input: a parameter of an endpoint, the label of a component."""
    if event.fn is not None and all(isinstance(block, Api) for block in event.inputs):
        return list(inspect.signature(event.fn).parameters)[: len(event.inputs)]
    return [str(getattr(block, "label", "") or getattr(block, "elem_id", "") or "A value") for block in event.inputs]


def _wrong_number(event: BlockFunction, names: list[str], found: int) -> str:
    if event.api_visibility != "public":
        return f"This event takes {len(names)} values and got {found}: reload the page, and try again."
    return (
        f"/{event.api_name} takes {len(names)} values by position ({', '.join(names)}) and got {found}: give them all, "
        f"or name the ones you need on /call/v2/{event.api_name}."
    )


def _of_kind(name: str, value: Any, kind: Any) -> Any:
    """A parameter of an endpoint, of the type that its function asks for; null where it asks for `int | None`."""
    if type(None) in get_args(kind):
        return None if value is None else _of_kind(name, value, get_args(kind)[0])
    if kind is bool:
        return _bool(name, value)
    if kind is int:
        return _whole(name, value)
    return _number(name, value) if kind is float else _text(name, value)


def _of_component(name: str, value: Any, block: Component | Block) -> Any:
    if isinstance(block, gr.Checkbox):
        return _bool(name, value)
    if isinstance(block, gr.Slider | gr.Number):
        if value is None and isinstance(block, gr.Number):
            return None  # an empty field
        _number(name, value)
        _within(name, value, block.minimum, block.maximum)
        return value
    if isinstance(block, gr.CheckboxGroup) or (isinstance(block, gr.Dropdown) and block.multiselect):
        if not isinstance(value, list) or len(value) > len(block.choices):
            raise ValueError(f"{name} is {shown(value)}: give a list of its choices.")
        return [_one_of(name, each, block) for each in value]
    if isinstance(block, gr.Radio | gr.Dropdown):
        return None if value is None else _one_of(name, value, block)
    return None if value is None else _text(name, value)


def _one_of(name: str, value: Any, block: Any) -> Any:
    choices = [choice for _, choice in block.choices]
    if any(type(value) is type(choice) and value == choice for choice in choices):
        return value
    if getattr(block, "allow_custom_value", False) and isinstance(value, str) and len(value) <= _LONGEST_CHOICE:
        return value
    listed = ", ".join(map(str, choices[:12])) + (", …" if len(choices) > 12 else "")
    raise ValueError(f"{name} is {shown(value)}: choose one of {listed}.")


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {shown(value)}: give text.")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # whole characters


def _bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {shown(value)}: give true or false.")
    return value


def _whole(name: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # JavaScript has no other numbers
    if not _is_whole(value):
        raise ValueError(f"{name} is {shown(value)}: give a whole number.")
    return int(value)


def _number(name: str, value: Any) -> Any:
    try:
        usable = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # a whole number of more than 300 digits
        usable = False
    if not usable:
        raise ValueError(f"{name} is {shown(value)}: give a number.")
    return value


def _within(name: str, value: float, least: float | None, most: float | None) -> None:
    if (least is None or value >= least) and (most is None or value <= most):
        return
    bounds = f"of {least:,g} or more" if most is None else f"from {least:,g} to {most:,g}"
    raise ValueError(f"{name} is {shown(value)}: choose a number {bounds}.")


def _is_place(value: Any) -> bool:
    return _is_whole(value) and 0 <= value < _MOST_CHOICES


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

"""Every part of a model as one field of small coloured buttons: a row a block, a column a head, others beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import gradio as gr

from .choice_script import CHOOSING
from .colours import ABOVE, BELOW
from .token_strip import scaled_style

# Of the diverging scale's ends: text on the deepest colour has to be readable, in light and dark.
_DEEPEST = 0.75

_EVENTS = (
    CHOOSING
    + r"""
chooseFrom('.cell', () => {
  const columns = Number(element.querySelector('.head-field').dataset.columns);
  return {ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns};
});
"""
)


@dataclass(frozen=True)
class Cell:
    """One part: what is said of it on hover and to screen readers, how it is coloured, whether it is chosen."""

    label: str
    style: str = ""
    chosen: bool = False
    text: str = ""


def head_field(elem_id: str) -> gr.HTML:
    """An empty field; its `select` event carries row * columns + column of the chosen cell."""
    return gr.HTML(value="", html_template="${value}", js_on_load=_EVENTS, elem_id=elem_id, elem_classes=["flush"])


def field_html(cells: Sequence[Sequence[Cell]], columns: Sequence[str], label: str) -> str:
    """What a field shows: cells row by row under the names of their columns, rows counted from 0."""
    head = "".join(f'<span class="name" aria-hidden="true">{escape(name)}</span>' for name in ("", *columns))
    body = "".join(
        f'<span class="name" aria-hidden="true">{row}</span>'
        + "".join(_button(cell, row * len(columns) + column) for column, cell in enumerate(line))
        for row, line in enumerate(cells)
    )
    return (
        '<p class="field-axes" aria-hidden="true">head →, block ↓</p>'
        f'<div class="head-field" role="group" aria-label="{escape(label)}" data-columns="{len(columns)}" '
        f'style="--columns:{len(columns)}">{head}{body}</div>'
    )


def share_style(share: float) -> str:
    """The colours of a share from 0 to 1."""
    return scaled_style(min(max(share, 0.0), 1.0))


def signed_style(value: float, largest: float) -> str:
    """The colour of a value from -largest to largest: blue below 0, orange above, none at 0."""
    strength = _DEEPEST * min(abs(value) / largest, 1.0) if largest else 0.0
    return f"background:rgba({BELOW if value < 0 else ABOVE},{strength:.3f})"


def signed_legend(said: str, largest: str = "") -> str:
    """HTML that explains signed colours; largest is the number at both ends, "" where it differs."""
    below = f"rgba({BELOW},{_DEEPEST}), rgba({BELOW},0) 50%"
    above = f"rgba({ABOVE},0) 50%, rgba({ABOVE},{_DEEPEST})"
    ramp = f"linear-gradient(90deg, {below}, {above})"
    return (
        f'<div class="legend"><span>{escape(said)}</span><span>−{escape(largest)}</span>'
        f'<span class="ramp" style="--light:{ramp};--dark:{ramp}"></span><span>+{escape(largest)}</span></div>'
    )


def signed_words(said: str, largest: str) -> str:
    """The same in words, for the caption of a picture."""
    return f"{said[0].upper()}{said[1:]}: blue below 0, orange above, deepest at ±{largest}."


def _button(cell: Cell, index: int) -> str:
    kind = "cell chosen" if cell.chosen else "cell"
    kind += " scaled" if cell.style.startswith("--") else ""
    return (
        f'<button type="button" class="{kind}" data-index="{index}" tabindex="{0 if index == 0 else -1}" '
        f'aria-pressed="{str(cell.chosen).lower()}" aria-label="{escape(cell.label)}" title="{escape(cell.label)}" '
        f'style="{escape(cell.style)}">{escape(cell.text)}</button>'
    )

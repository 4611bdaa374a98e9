"""The code of a part of the model as it stands in gpt/model.py, and under each line the tensors that it made."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image
from torch import Tensor

from ...recording.model_source import Definition, Function, definitions, lines
from ...recording.recorder import RETURNED, Call, Made, Recording
from ...recording.tensor_summary import Summary, summarize
from ..common.colours import ABOVE, BELOW
from ..common.number_format import real
from .words import Box

# As the figures' diverging scale: blue below 0, orange above, transparent at 0.
_BELOW, _ABOVE = (tuple(map(int, colour.split(","))) for colour in (BELOW, ABOVE))
_LEVELS = 127  # on each side of 0

LEGEND = (
    '<p class="code-legend">Under each line what it made: its shape, and of the selected token the mean and deviation. '
    'The picture has a row a token (<span class="mark">▸</span> the selected one), of many columns the numbers '
    'farthest from 0: <span class="below">blue below 0</span>, <span class="above">orange above</span>. Faint lines '
    "did not run.</p>"
)


def code_html(box: Box, recording: Recording, token: int, head: int) -> str:
    """The definitions that belong to a box, with what their lines made for a token, and for a head where there are."""
    calls = _calls(box, recording)
    shown = [_definition(definitions()[name], calls, token, head) for name in box.defined]
    return "".join(each for each in shown if each)


def _calls(box: Box, recording: Recording) -> dict[str, Call]:
    """The calls that belong to a box, by the name of their function."""
    path = box.module.format(block=recording.block)
    return {
        call.function.name: call
        for call in recording.calls
        if (call.function.name in box.calls if box.calls else f"{call.module}.".startswith(f"{path}."))
    }


def _definition(definition: Definition, calls: dict[str, Call], token: int, head: int) -> str:
    """A definition of which some function ran; those that did not are folded away."""
    if not any(function.name in calls for function in definition.functions):
        return ""
    functions = {function.first: function for function in definition.functions}
    shown, line = [], definition.first
    while line <= definition.last:
        function = functions.get(line)
        if function is None:
            shown.append(_plain(line))
            line += 1
            continue
        shown.append(_function(function, calls.get(function.name), token, head))
        line = function.last + 1
    return f'<ol class="code-lines">{"".join(shown)}</ol>'


def _function(function: Function, call: Call | None, token: int, head: int) -> str:
    numbers = range(function.first, function.last + 1)
    if call is None:
        rest = "".join(_plain(line) for line in numbers)
        name = lines()[function.first - 1].strip()
        return (
            f'<li class="folded"><details><summary><code>{escape(name)} …</code></summary>'
            f"<ol>{rest}</ol></details></li>"
        )
    return "".join(_line(function, call, line, token, head) for line in numbers)


def _line(function: Function, call: Call, line: int, token: int, head: int) -> str:
    statement = function.statements.get(line)
    if statement is None:
        return _plain(line)
    times = call.ran.get(statement.first, 0)
    made = call.made.get(statement.first, []) if line == statement.last else []
    often = f"the last of {times} times" if times > 1 else ""
    return _plain(line, "" if times else "unrun", "".join(_made(each, token, head, often) for each in made))


def _plain(line: int, kind: str = "", below: str = "") -> str:
    text = lines()[line - 1]
    if not text.strip():
        return ""
    code, mark, comment = text.partition("  # ")
    said = escape(code) + (f'<i class="comment">{escape(mark + comment)}</i>' if mark else "")
    return f'<li class="{kind}" value="{line}"><code>{said}</code>{below}</li>'


def _made(made: Made, token: int, head: int, often: str) -> str:
    summary = summarize(made.value, token, head)
    name = "returns" if made.name == RETURNED else made.name
    notes = [often, f"head {head}" if made.value.dim() == 4 else ""]
    return (
        f'<span class="made"><b>{escape(name)}</b><span class="shape">{shape_text(summary.shape)}</span>'
        f'<span class="said">{_numbers(summary, made.value)}</span>'
        f'<span class="said">{", ".join(filter(None, notes))}</span>{_picture(summary)}</span>'
    )


def _numbers(summary: Summary, tensor: Tensor) -> str:
    if summary.n_numbers == 1:
        whole = not tensor.is_floating_point()
        return f"= {summary.mean:,.0f}" if whole else f"= {real(summary.mean)}"
    infinite = f", {summary.n_infinite:,} × −∞" if summary.n_infinite else ""
    return f"mean {real(summary.mean)}, deviation {real(summary.deviation)}{infinite}"


def shape_text(shape: Sequence[int]) -> str:
    """1 × 4 × 256."""
    return " × ".join(f"{length:,}" for length in shape)


def _picture(summary: Summary) -> str:
    rows, columns = summary.picture.shape
    place = 100 * (summary.row + 0.5) / rows
    return (
        f'<span class="small-picture" style="--place:{place:.0f}%;--rows:{rows};--columns:{columns}">'
        f'<img alt="" src="data:image/png;base64,{b64encode(png(summary.picture)).decode()}"></span>'
    )


def png(picture: Tensor) -> bytes:
    """A picture of numbers from -1 to 1 as PNG: the farther from 0, the less transparent."""
    levels = (picture * _LEVELS).round().int().numpy() + _LEVELS
    image = Image.fromarray(levels.astype(np.uint8), "P")
    image.putpalette([part for colour in _palette() for part in colour])
    file = BytesIO()
    opacity = bytes(min(255, 2 * abs(level - _LEVELS)) for level in range(2 * _LEVELS + 1))
    image.save(file, "PNG", transparency=opacity, optimize=True)
    return file.getvalue()


def _palette() -> Iterable[tuple[int, ...]]:
    return (_BELOW if level < _LEVELS else _ABOVE for level in range(2 * _LEVELS + 1))

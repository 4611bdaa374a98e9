"""What a figure shows, in words: for those who hear the page instead of seeing it.

A value is said as it is on hover. No gradio here: a plotly figure in, sentences out.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from typing import Any

import numpy as np
import plotly.graph_objects as go

_MOST_SAID = 6  # values of a series; of more of them, the ends and the extremes
# Of a hover template: a field, which of its values where a point has several, and the format of the number.
_FIELD = re.compile(r"%\{(\w+)(?:\[(\d+)\])?(?::([^}]*))?\}")


@dataclass(frozen=True)
class _Values:
    """Values of one trace, NaN where it has none; said(i) is the i-th one as it is on hover."""

    values: np.ndarray
    said: Callable[[int], str]

    @cached_property
    def known(self) -> list[int]:
        places: list[int] = np.flatnonzero(np.isfinite(self.values)).tolist()
        return places


def figure_in_words(figure: go.Figure) -> str:
    """A sentence for each series: all of its values if they are few, else the ends, the lowest and the highest.

    A series without a text on hover is only a guide line, and is left out.
    """
    series: dict[str, list[Any]] = defaultdict(list)
    titles: dict[Any, str] = {}  # of the panels: there may be a line for every token in each
    for trace in figure.data:
        if trace.hoverinfo != "skip":
            panel = trace.xaxis, trace.yaxis
            if panel not in titles:
                titles[panel] = _panel_title(figure, trace)
            names = (titles[panel], trace.name)
            series[", ".join(_plain(name) for name in names if name)].append(trace)
    return " ".join(_sentence(figure, name, traces) for name, traces in series.items())


def _sentence(figure: go.Figure, name: str, traces: Sequence[Any]) -> str:
    front = f"{name}: " if name else ""
    found = [values for values in (_values(figure, trace) for trace in traces) if values.known]
    n = sum(len(values.known) for values in found)
    if n <= _MOST_SAID:
        return f"{front}{'; '.join(values.said(place) for values in found for place in values.known) or 'no values'}."
    parts = [f"{n:,} values" if len(traces) == 1 else f"{n:,} values in {len(traces):,} lines"]
    if len(traces) == 1 and "lines" in (getattr(traces[0], "mode", None) or ""):
        ends = found[0].known
        parts += [f"first {found[0].said(ends[0])}", f"last {found[0].said(ends[-1])}"]
    lowest = min(found, key=lambda values: np.nanmin(values.values))
    highest = max(found, key=lambda values: np.nanmax(values.values))
    parts += [
        f"lowest {lowest.said(int(np.nanargmin(lowest.values)))}",
        f"highest {highest.said(int(np.nanargmax(highest.values)))}",
    ]
    return f"{front}{'; '.join(parts)}."


def _values(figure: go.Figure, trace: Any) -> _Values:
    is_field = trace.type == "heatmap"
    lies = trace.type == "bar" and trace.orientation == "h"
    values = _finite(trace.z if is_field else trace.x if lies else trace.y)

    def said(index: int) -> str:
        if trace.hovertext is not None:
            return _plain(trace.hovertext[index])
        return _on_hover(figure, trace, *(divmod(index, values.shape[1]) if is_field else (None, index)))

    return _Values(values.ravel(), said)


def _on_hover(figure: go.Figure, trace: Any, row: int | None, column: int) -> str:
    """What plotly says at a point, or at a cell of a field, without the name of its series."""
    places = {"x": column, "y": column if row is None else row}

    def field(match: re.Match[str]) -> str:
        name, which, number_format = match.groups()
        values = trace[name]
        if name in places and (row is not None or values is None or name == _place_letter(trace)):
            value = _tick(_axis(figure, trace, name), places[name] if values is None else values[places[name]])
        elif isinstance(values, str):
            value = values
        else:
            value = values[column] if row is None else values[row][column]
        if which is not None:
            value = value[int(which)]
        if isinstance(value, str):
            return value
        return format(value, (number_format or ",.6g").replace("~", ""))

    words = re.sub(r"<extra>.*?</extra>", "", trace.hovertemplate or "%{x}: %{y}")
    return _plain(_FIELD.sub(field, words))


def _place_letter(trace: Any) -> str:
    return "y" if trace.type == "bar" and trace.orientation == "h" else "x"


def _finite(values: Any) -> np.ndarray:
    numbers = np.asarray(values, dtype=float)  # None becomes NaN
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _axis(figure: go.Figure, trace: Any, letter: str) -> Any:
    number = (getattr(trace, f"{letter}axis") or letter)[1:]
    return figure.layout[f"{letter}axis{number}"]


def _panel_title(figure: go.Figure, trace: Any) -> str:
    """What stands above its panel, or the title of its vertical axis; "" where there is neither."""
    x_axis, y_axis = _axis(figure, trace, "x"), _axis(figure, trace, "y")
    (left, right), top = x_axis.domain or (0, 1), (y_axis.domain or (0, 1))[1]
    above = (
        note.text
        for note in figure.layout.annotations
        if note.xref == note.yref == "paper" and abs(note.y - top) < 1e-6 and left <= note.x <= right
    )
    return str(next(above, y_axis.title.text or ""))


def _tick(axis: Any, place: Any) -> Any:
    """A place on an axis, or the words of its tick."""
    ticks = dict(zip(axis.tickvals or (), axis.ticktext or (), strict=False))
    return ticks.get(place, place)


def _plain(label: Any) -> str:
    """A plotly label as text, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", str(label))).split())

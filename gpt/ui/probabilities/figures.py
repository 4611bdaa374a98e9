"""Probability, rank and entropy of every token of a run, one above the other, and of a branch beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from ..common.colours import COLOURS
from ..common.figure_template import figure, token_axis
from ..common.number_format import fine_chance

_MOST_LABELS = 64  # as many as fit side by side on a wide screen
_DECADES = range(8)  # of probability; the vocabulary spans five of rank
_Said = Callable[[float], str]
# What stands beside each panel, its axis, and how a number of it is written.
_PANELS: tuple[tuple[str, dict[str, Any], _Said], ...] = (
    (
        "probability",
        {
            "type": "log",
            "tickvals": [10.0**-n for n in _DECADES],
            "ticktext": [f"{100 * 10.0**-n:g} %" for n in _DECADES],
        },
        fine_chance,
    ),
    (
        "rank",
        {"type": "log", "autorange": "reversed", "tickvals": [10**n for n in range(5)], "tickformat": ",d"},
        "{:,}".format,
    ),
    ("entropy, bits", {"rangemode": "tozero", "nticks": 4}, "{:.4g}".format),
)


@dataclass(frozen=True)
class Line:
    """A run, or the part of it from `start` on, as a line in each panel; None where the model gave no number."""

    name: str
    colour: str  # an idea of COLOURS
    tokens: Sequence[str]
    probabilities: Sequence[float | None]
    ranks: Sequence[int | None]
    entropies: Sequence[float | None]
    start: int = 0


def over_the_run(lines: Sequence[Line], tokens: Sequence[str], prompt_length: int) -> go.Figure:
    """Three panels over one axis labelled with tokens; a dotted line ends the prompt."""
    fig = figure(height=420)
    style = fig.layout.yaxis.to_plotly_json()
    for index, (title, axis, said) in enumerate(_PANELS):
        top = 1 - 0.345 * index
        name = "yaxis" if index == 0 else f"yaxis{index + 1}"
        fig.layout[name] = {
            **style,
            **axis,
            "domain": [top - 0.31, top],
            "title": {"text": title, "font": {"size": 12}},
        }
        for line in lines:
            values = (line.probabilities, line.ranks, line.entropies)[index]
            fig.add_trace(_line(line, values, title, index, said))
    end = max(line.start + len(line.tokens) for line in lines)
    fig.update_xaxes(
        token_axis(tokens, room=_MOST_LABELS), tickangle=-60, anchor="y3", range=[-0.6, end - 0.4], zeroline=False
    )
    edge = {"width": 1, "dash": "dot", "color": COLOURS["before"]}
    x = prompt_length - 0.5
    fig.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, yref="paper", line=edge)
    return fig


def _line(line: Line, values: Sequence[float | None], title: str, index: int, said: _Said) -> go.Scatter:
    return go.Scatter(
        x=list(range(line.start, line.start + len(values))),
        y=list(values),
        customdata=list(line.tokens),
        text=["" if value is None else said(value) for value in values],
        name=line.name,
        legendgroup=line.name,
        showlegend=index == 0 and bool(line.name),
        mode="lines+markers",
        line={"width": 1.5, "color": COLOURS[line.colour]},
        marker={"size": 5},
        yaxis="y" if index == 0 else f"y{index + 1}",
        hovertemplate=f"%{{customdata}}<br>{title} %{{text}}<extra>{line.name}</extra>",
    )

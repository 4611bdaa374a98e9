"""Probability, rank and entropy of every token of a run, one above the other, and of a branch beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from ..figures import COLOURS, figure, token_axis

_MOST_LABELS = 64  # as many as fit side by side on a wide screen
_DECADES = range(8)  # of probability; the vocabulary spans five of rank
_PANELS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "probability",
        {
            "type": "log",
            "tickvals": [10.0**-n for n in _DECADES],
            "ticktext": [f"{100 * 10.0**-n:g} %" for n in _DECADES],
        },
    ),
    ("rank", {"type": "log", "autorange": "reversed", "tickvals": [10**n for n in range(5)], "tickformat": ",d"}),
    ("entropy, bits", {"rangemode": "tozero", "nticks": 4}),
)


@dataclass(frozen=True)
class Road:
    """A run, or the part of it from `start` on, as three lines; None where the model gave no figure."""

    name: str
    colour: str  # an idea of COLOURS
    tokens: Sequence[str]
    probabilities: Sequence[float | None]
    ranks: Sequence[int | None]
    entropies: Sequence[float | None]
    start: int = 0


def over_the_run(roads: Sequence[Road], tokens: Sequence[str], prompt_length: int) -> go.Figure:
    """Three panels over one axis labelled with tokens; a dotted line ends the prompt."""
    fig = figure(height=420)
    style = fig.layout.yaxis.to_plotly_json()
    for index, (title, axis) in enumerate(_PANELS):
        top = 1 - 0.345 * index
        name = "yaxis" if index == 0 else f"yaxis{index + 1}"
        fig.layout[name] = {
            **style,
            **axis,
            "domain": [top - 0.31, top],
            "title": {"text": title, "font": {"size": 12}},
        }
        for road in roads:
            values = (road.probabilities, road.ranks, road.entropies)[index]
            fig.add_trace(_line(road, values, title, index))
    end = max(road.start + len(road.tokens) for road in roads)
    fig.update_xaxes(_labels(tokens), anchor="y3", range=[-0.6, end - 0.4], zeroline=False)
    edge = {"width": 1, "dash": "dot", "color": COLOURS["before"]}
    x = prompt_length - 0.5
    fig.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, yref="paper", line=edge)
    return fig


def _line(road: Road, values: Sequence[float | None], title: str, index: int) -> go.Scatter:
    return go.Scatter(
        x=list(range(road.start, road.start + len(values))),
        y=list(values),
        customdata=list(road.tokens),
        name=road.name,
        legendgroup=road.name,
        showlegend=index == 0 and bool(road.name),
        mode="lines+markers",
        line={"width": 1.5, "color": COLOURS[road.colour]},
        marker={"size": 5},
        yaxis="y" if index == 0 else f"y{index + 1}",
        hovertemplate=f"%{{customdata}}<br>{title} %{{y:.4~g}}<extra>{road.name}</extra>",
    )


def _labels(tokens: Sequence[str]) -> dict:
    """A tick for every token, or for every second, third … when there are more than fit."""
    axis = token_axis(tokens)
    every = -(-len(axis["tickvals"]) // _MOST_LABELS)
    return axis | {"tickvals": axis["tickvals"][::every], "ticktext": axis["ticktext"][::every], "tickangle": -60}

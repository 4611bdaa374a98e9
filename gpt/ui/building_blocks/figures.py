"""Figures of the Building blocks tab: activation functions, the layers of a feed-forward network, gradients."""

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
import plotly.graph_objects as go
from torch import Tensor

from ...chapter.feed_forward import FeedForwardPass, Histogram
from ...chapter.gelu import ActivationCurves
from ..common.colours import ACCENT, COLOURS, DIVERGING
from ..common.figure_template import figure, log_axis
from ..common.number_format import counted

_GELU = COLOURS["feed-forward"]
_RELU = COLOURS["before"]
_HEIGHT = 300


def value_figure(curves: ActivationCurves, spread: Histogram, block: int) -> go.Figure:
    """GELU and ReLU, over a histogram of the numbers that one block feeds into its GELU."""
    drawn = figure("x, what the neuron receives", "what it passes on", _HEIGHT)
    centres = (spread.edges[:-1] + spread.edges[1:]) / 2
    drawn.add_bar(
        x=_floats(centres),
        y=_floats(spread.density),
        yaxis="y2",
        marker={"color": _GELU, "opacity": 0.25},
        showlegend=False,
        hovertemplate="%{y:.3f} of the numbers per unit near %{x:.2f}<extra>block " + str(block) + "</extra>",
    )
    _add_curves(drawn, curves, "value")
    peak = int(spread.density.argmax())
    highest = float(spread.density[peak])
    drawn.update_layout(
        bargap=0,
        yaxis2={
            "overlaying": "y",
            "side": "right",
            "visible": False,
            "range": [0, 1.15 * highest or 1],
        },
    )
    drawn.add_annotation(
        text=f"block {block}",
        x=float(centres[peak]),
        y=highest,
        yref="y2",
        yanchor="bottom",
        showarrow=False,
    )
    return drawn


def derivative_figure(curves: ActivationCurves) -> go.Figure:
    """The slopes of GELU and ReLU."""
    drawn = figure("x", "slope", _HEIGHT)
    _add_curves(drawn, curves, "derivative")
    return drawn


def _add_curves(drawn: go.Figure, curves: ActivationCurves, what: str) -> None:
    """ReLU, exact GELU as a broad pale line, and the tanh form on it: they differ too little to be seen apart."""
    x = _floats(curves.x)
    for name, curve, line in (
        ("ReLU", curves.relu, {"color": _RELU, "width": 2, "dash": "dot"}),
        ("GELU exact", curves.exact, {"color": "rgba(11,158,119,0.35)", "width": 7}),
        ("GELU tanh", curves.tanh, {"color": _GELU, "width": 2}),
    ):
        drawn.add_scatter(
            x=x, y=_floats(getattr(curve, what)), mode="lines", line=line, name=name, hovertemplate="%{y:.4f}"
        )
    drawn.update_layout(hovermode="x")


def difference_figure(curves: ActivationCurves) -> go.Figure:
    """How far the tanh form, which GPT-2 uses, is from the exact one."""
    drawn = figure("x", "difference", _HEIGHT)
    drawn.add_scatter(
        x=_floats(curves.x),
        y=_floats(curves.difference),
        mode="lines",
        line={"color": _GELU, "width": 2},
        name="GELU tanh − GELU exact",
        showlegend=True,
        hovertemplate="%{y:.6f} at %{x:.2f}<extra></extra>",
    )
    return drawn.update_yaxes(tickformat=".4~f")


def layers_figure(passed: FeedForwardPass, columns: int) -> go.Figure:
    """One token's numbers as fields of squares: d going in, 4d inner neurons, d coming out; `columns` divides d."""
    drawn = figure(height=330)
    received = "neuron %{customdata}<br>receives %{text:.3f}, passes on %{z:.3f}<extra></extra>"
    feature = "feature %{customdata}: %{z:.3f}<extra></extra>"
    fields = (
        (passed.entering[0], "from norm2", feature, None),
        (passed.activations[0], "inner neurons, after the activation", received, passed.preactivations[0]),
        (passed.leaving[0], "to the shortcut", feature, None),
    )
    for place, (values, title, hover, text) in enumerate(fields):
        _add_field(drawn, place, values, columns, hover, text)
        drawn.add_annotation(
            text=f"{title}<br>{counted(len(values), 'number')}",
            xref="paper",
            yref="paper",
            x=sum(_across(place)) / 2,
            y=_upwards(place)[1],
            xanchor="center",
            yanchor="bottom",
            showarrow=False,
        )
    drawn.update_layout(margin={"t": 44})
    return drawn


def _add_field(drawn: go.Figure, place: int, values: Tensor, columns: int, hover: str, text: Tensor | None) -> None:
    rows = -(-len(values) // columns)  # the last one may have empty places
    number = "" if place == 0 else str(place + 1)
    # One number in 200 lies beyond the colour scale: a scale up to the largest would make all others pale.
    end = max(float(values.abs().float().quantile(0.995)), 1e-30)
    drawn.add_heatmap(
        z=_in_rows(_floats(values), columns),
        customdata=np.arange(rows * columns, dtype=np.int32).reshape(rows, columns),
        text=None if text is None else _in_rows(_floats(text), columns),
        xaxis=f"x{number}",
        yaxis=f"y{number}",
        zmin=-end,
        zmax=end,
        colorscale=DIVERGING,
        showscale=False,
        hovertemplate=hover,
    )
    hidden = {"visible": False, "fixedrange": True}
    drawn.update_layout(
        {
            f"xaxis{number}": {**hidden, "domain": _across(place), "anchor": f"y{number}"},
            f"yaxis{number}": {
                **hidden,
                "domain": _upwards(place),
                "anchor": f"x{number}",
                "autorange": "reversed",
            },
        }
    )


def _in_rows(values: "np.ndarray[Any, Any]", columns: int) -> "np.ndarray[Any, Any]":
    """Row by row, what is missing in the last one left empty."""
    return np.pad(values, (0, -len(values) % columns), constant_values=np.nan).reshape(-1, columns)


def _across(place: int) -> list[float]:
    """Where a field lies from left (0) to right (1): three of one width."""
    return [place * 0.35, place * 0.35 + 0.3]


def _upwards(place: int) -> list[float]:
    """Where a field lies from bottom (0) to top (1): the middle one has four times the rows."""
    return [0.0, 1.0] if place == 1 else [0.375, 0.625]


def gradient_figure(
    x_title: str, first: int, y_title: str, with_them: Sequence[float], without: Sequence[float]
) -> go.Figure:
    """A gradient per layer on a log axis, with shortcuts and without; layers are numbered from `first`."""
    drawn = figure(x_title, y_title, _HEIGHT)
    numbers = list(range(first, first + len(without)))
    for name, values, colour, symbol in (
        ("with shortcuts", with_them, ACCENT, "circle"),
        ("without", without, COLOURS["before"], "x"),
    ):
        drawn.add_scatter(
            x=numbers,
            y=list(values),
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 2},
            marker={"size": 8, "symbol": symbol},
            hovertemplate="%{y:.6g}",
        )
    visible = [value for value in (*with_them, *without) if 0 < value < inf] or [1.0]
    drawn.update_yaxes(log_axis(min(visible), max(visible)))
    drawn.update_xaxes(dtick=1 if len(numbers) <= 16 else 4)
    drawn.update_layout(hovermode="x")
    return drawn


def _floats(values: Tensor) -> np.ndarray:
    return values.float().numpy()

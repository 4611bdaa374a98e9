"""What every figure shares: one template, logarithmic axes, token axes, a line for each token.

No model and no gradio here. Backgrounds are transparent; assets/style.css gives text and grid
the page's colours, so a figure follows light and dark without being drawn again.
"""

from collections.abc import Sequence
from math import log10
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .colours import COLOURS

FONT = "Source Sans Pro, sans-serif"
MONO = "IBM Plex Mono, monospace"
_TEXT = "#6B7280"  # replaced by the page's own text colour, kept in exported pictures
_GRID = "rgba(128,136,150,0.22)"
_AXIS = {"gridcolor": _GRID, "zerolinecolor": _GRID, "linecolor": _GRID, "ticks": "", "automargin": True}


def figure(x_title: str = "", y_title: str = "", height: int = 280) -> go.Figure:
    """An empty figure in the style of this app; titles carry the unit, height is in pixels."""
    return go.Figure(
        layout={
            "template": "none",
            "height": height,
            "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 13, "color": _TEXT},
            "hoverlabel": {"font": {"family": FONT, "size": 13}},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": {"text": ""}},
            "xaxis": {**_AXIS, "title": _title(x_title)},
            "yaxis": {**_AXIS, "title": _title(y_title)},
            "bargap": 0.25,
        }
    )


def stacked(titles: Sequence[str], x_title: str = "", height: int = 420, gap: int = 40) -> go.Figure:
    """Panels one below the other over one x axis, each under its title; add traces with row=1, 2, … and col=1.

    height of the whole and gap between panels in pixels.
    """
    fig = make_subplots(
        rows=len(titles),
        shared_xaxes=True,
        vertical_spacing=gap / height,
        subplot_titles=titles,
        figure=figure(height=height),
    )
    fig.update_annotations(x=0, xanchor="left", font={"size": 13})
    fig.update_xaxes(_AXIS)
    fig.update_yaxes(_AXIS)
    fig.update_xaxes(title=_title(x_title), row=len(titles))
    return fig.update_layout(margin={"t": 28})


def log_axis(lowest: float, highest: float) -> dict[str, Any]:
    """Settings of a logarithmic axis with room for both numbers and no more ticks than can be read."""
    low, high = log10(lowest), log10(highest)
    margin = max(0.05 * (high - low), 0.05)
    axis: dict[str, Any] = {"type": "log", "range": [low - margin, high + margin]}
    if high - low < 2:
        return axis | {"dtick": "D2", "tickformat": "~g"}
    return axis | {"dtick": max(1, round((high - low) / 6)), "exponentformat": "power"}


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "standoff": 8, "font": {"size": 13}}


def token_axis(labels: Sequence[str], longest: int = 12, room: int | None = None) -> dict[str, Any]:
    """Settings of an axis with one tick per token, in order; equal tokens have different places.

    With room for fewer ticks than tokens, every second, third, … token is named.
    """
    step = 1 if room is None else -(-len(labels) // room)
    shown = [label if len(label) <= longest else label[: longest - 1] + "…" for label in labels[::step]]
    return {
        "tickmode": "array",
        "tickvals": list(range(0, len(labels), step)),
        "ticktext": [escaped(label) for label in shown],
        "tickfont": {"family": MONO, "size": 11},
        "showgrid": False,
        "zeroline": False,
    }


def token_names(labels: Sequence[str], first: int = 1) -> list[str]:
    """Labels with their numbers, counted from `first`: all different, so that each names one place in a map."""
    return [f"{escaped(label)} ({number})" for number, label in enumerate(labels, first)]


def escaped(text: str) -> str:
    """Text as a plotly label, which may hold some HTML: markup in it is shown as text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def add_token_lines(
    fig: go.Figure,
    values: np.ndarray,
    places: Sequence[str],
    labels: Sequence[str],
    token: int,
    value_format: str,
    others: str,
) -> None:
    """A line for each token over the depth, values (n, t): the selected token's in front, the others faint.

    places name the n points and labels the t tokens; value_format is plotly's for a value on hover; others names
    the faint lines in the legend.
    """
    faint = [index for index in range(len(labels)) if index != token]
    for index in [*faint, token]:
        selected = index == token
        fig.add_scatter(
            y=values[:, index],
            text=places,
            meta=escaped(labels[index]),
            mode="lines+markers" if selected else "lines",
            line={"color": COLOURS["branch" if selected else "before"], "width": 2.5 if selected else 1},
            opacity=1 if selected else 0.4,
            name="selected token" if selected else others,
            legendgroup=str(selected),
            showlegend=selected or index == faint[0],
            hovertemplate=f"%{{meta}}, %{{text}}: {value_format}<extra></extra>",
        )

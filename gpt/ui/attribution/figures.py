"""The figures of this package: plain data in, plotly figures out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..common.colours import ACCENT, COLOURS, DIVERGING
from ..common.figure_template import escaped, figure, stacked, token_axis, token_names
from ..common.number_format import percent

_LONGEST_PAIR = 18  # characters of a tick: where two prompts differ, it names both tokens


@dataclass(frozen=True)
class Rise:
    """One step of a waterfall: its name, what it adds, and the idea whose colour it has."""

    name: str
    value: float
    idea: str


def waterfall(rises: Sequence[Rise]) -> go.Figure:
    """From 0 to the sum of all steps, each bar beginning where the one before it ended."""
    fig = figure(y_title="logit difference so far", height=300)
    values = np.array([rise.value for rise in rises])
    ends = values.cumsum()
    starts = ends - values
    for idea in dict.fromkeys(rise.idea for rise in rises):
        places = [place for place, rise in enumerate(rises) if rise.idea == idea]
        fig.add_bar(
            x=places,
            y=values[places],
            base=starts[places],
            name=idea,
            marker={"color": COLOURS[idea]},
            width=0.8,
            customdata=ends[places],
            text=[rises[place].name for place in places],
            textposition="none",
            hovertemplate="%{text}: %{y:+.4f}, together %{customdata:.4f}<extra></extra>",
        )
    fig.add_scatter(
        x=[x for place in range(len(rises)) for x in (place, place + 1, None)],
        y=[y for end in ends.tolist() for y in (end, end, None)],
        mode="lines",
        line={"color": COLOURS["before"], "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )
    fig.add_hline(0, line={"color": COLOURS["before"], "width": 1})
    step = -(-len(rises) // 14)
    ticks = list(range(0, len(rises), step))
    fig.update_xaxes(tickmode="array", tickvals=ticks, ticktext=[rises[tick].name for tick in ticks], tickangle=-45)
    return fig.update_layout(barmode="overlay", margin={"t": 36})


def bars(labels: Sequence[str], values: Sequence[float], y_title: str, colour: str = ACCENT) -> go.Figure:
    """A value for each token of a text."""
    fig = figure(y_title=y_title, height=220)
    fig.add_bar(
        y=list(values),
        text=[escaped(label) for label in labels],
        textposition="none",
        marker={"color": colour},
        hovertemplate="%{text}: %{y:.4f}<extra></extra>",
    )
    return fig.update_xaxes(token_axis(labels, room=26) | {"tickangle": -60})


def measures(labels: Sequence[str], named: Sequence[tuple[str, Sequence[float]]]) -> go.Figure:
    """Several measures of the same tokens, one below the other; what is not computed yet is left out."""
    fig = stacked([name for name, _ in named], height=420, gap=44)
    for row, ((_, values), idea) in enumerate(zip(named, ("kept", "gradients", "attention"), strict=True), 1):
        fig.add_bar(
            y=list(values),
            text=[escaped(label) for label in labels],
            textposition="none",
            marker={"color": COLOURS[idea]},
            hovertemplate="%{text}: %{y:.4f}<extra></extra>",
            showlegend=False,
            row=row,
            col=1,
        )
    return fig.update_xaxes(token_axis(labels, room=26) | {"tickangle": -60})


def patch_grid(labels: Sequence[str], shares: np.ndarray, n_exact: int) -> go.Figure:
    """Shares (rows, t) of the logit difference that come back: a row a block, a column a token.

    The first n_exact rows are exact, a dashed line separates those that are an estimate.
    """
    kinds = ["" if row < n_exact else ", as an estimate" for row in range(len(shares))]
    fig = figure("token", "stream entering block", height=90 + 26 * max(6, min(len(shares), 16)))
    fig.add_heatmap(
        z=shares,
        x=token_names(labels),
        y=list(range(len(shares))),
        zmin=-1,
        zmax=1,
        colorscale=DIVERGING,
        colorbar=_share_bar(),
        customdata=[[percent(share) + kind for share in row] for row, kind in zip(shares.tolist(), kinds, strict=True)],
        hovertemplate="%{x}, entering block %{y}: %{customdata} comes back<extra></extra>",
        xgap=1,
        ygap=1,
    )
    if n_exact < len(shares):
        fig.add_hline(n_exact - 0.5, line={"dash": "dash", "width": 2, "color": "#6B7280"})
    fig.update_yaxes(dtick=max(1, -(-len(shares) // 12)), showgrid=False, zeroline=False, autorange="reversed")
    return fig.update_xaxes(token_axis(labels, longest=_LONGEST_PAIR, room=26) | {"tickangle": -60})


def copies(labels: Sequence[str], first: Sequence[float], second: Sequence[float]) -> go.Figure:
    """The loss at each token of a sequence, where it stands first and where it stands again."""
    fig = figure("token of the sequence", "loss, nats", height=230)
    for name, values, idea in (("first copy", first, "original"), ("second copy", second, "branch")):
        fig.add_scatter(
            x=list(range(2, len(values) + 2)),
            y=list(values),
            name=name,
            text=[escaped(label) for label in labels[1:]],
            mode="lines+markers",
            line={"color": COLOURS[idea], "width": 2},
            hovertemplate=f"{name}, token %{{x}}: %{{y:.2f}} nats<extra></extra>",
        )
    return fig.update_yaxes(rangemode="tozero").update_layout(margin={"t": 36})


def _share_bar() -> dict[str, Any]:
    return {"thickness": 10, "outlinewidth": 0, "tickformat": ".0%"}

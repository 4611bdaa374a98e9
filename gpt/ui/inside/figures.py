"""The figures of the Inside tab: arrays in, plotly figures out.

Arrays are numpy: t tokens of the window, s tokens read, n depths of the residual stream, the embeddings first.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..common.colours import ACCENT, COLOURS, translucent
from ..common.figure_template import add_token_lines, figure, log_axis, stacked, token_axis, token_names

_LENGTH_SCALE = [[0, translucent(ACCENT, 0.08)], [1, translucent(ACCENT, 1)]]
_SHORTEST = 1e-9  # where a logarithmic scale shows a length of 0


def stream_lengths(places: Sequence[str], lengths: np.ndarray, changes: np.ndarray) -> go.Figure:
    """One token's residual stream through the depth: its length (n,), and that of what each step adds (n - 1,)."""
    fig = figure("after block", "length (logarithmic)", height=250)
    fig.add_scatter(
        y=lengths,
        text=places,
        name="the stream",
        mode="lines+markers",
        marker={"size": 5},
        line={"color": COLOURS["before"], "width": 2},
        hovertemplate="%{text}: length %{y:.4g}<extra></extra>",
    )
    for offset, (name, symbol) in enumerate((("attention", "circle"), ("feed-forward", "diamond")), 1):
        fig.add_scatter(
            x=np.arange(offset, len(lengths), 2),
            y=changes[offset - 1 :: 2],
            text=places[offset::2],
            name=f"what {name} adds",
            mode="markers",
            marker={"size": 9, "symbol": symbol, "color": COLOURS[name]},
            hovertemplate="%{text} adds %{y:.4g}<extra></extra>",
        )
    shown = np.maximum(np.concatenate([lengths, changes]), _SHORTEST)
    fig.update_yaxes(log_axis(float(shown.min()), float(shown.max())))
    return fig.update_xaxes(_depth_axis(len(lengths), 2)).update_layout(margin={"t": 36})


def stream_map(
    places: Sequence[str], labels: Sequence[str], first: int, lengths: np.ndarray, changes: np.ndarray, token: int
) -> go.Figure:
    """Lengths (n, t) of every token's residual stream and of its changes (n - 1, t), the selected token framed."""
    fig = stacked(["length of the stream", "length of what each step adds"], height=420)
    names = token_names(labels, first)
    for row, (values, rows) in enumerate(((lengths, places), (changes, places[1:])), 1):
        bottom, top = fig.layout["yaxis" if row == 1 else "yaxis2"].domain
        logs = np.log10(np.maximum(values, _SHORTEST))
        ticks = np.linspace(logs.min(), logs.max(), 4)
        fig.add_heatmap(
            z=logs,
            x=names,
            y=list(rows),
            customdata=values,
            colorscale=_LENGTH_SCALE,
            colorbar={
                "y": (bottom + top) / 2,
                "len": top - bottom,
                "thickness": 10,
                "outlinewidth": 0,
                "tickvals": ticks,
                "ticktext": [f"{10**tick:.3g}" for tick in ticks],
            },
            hovertemplate="%{x}, %{y}: %{customdata:.4g}<extra></extra>",
            row=row,
            col=1,
        )
        fig.update_yaxes(_depth_axis(len(rows) + row - 1, 2, start=row - 1, room=6), autorange="reversed", row=row)
    fig.add_vrect(token - 0.5, token + 0.5, line={"color": COLOURS["branch"], "width": 1})
    fig.update_yaxes(title={"text": "after block", "standoff": 8, "font": {"size": 13}})
    return fig.update_xaxes(token_axis(labels, room=26))


def ranks(places: Sequence[str], labels: Sequence[str], rank: np.ndarray, token: int, steps: int) -> go.Figure:
    """Rank (n, t) of each position's final answer at every depth, best at the top; `steps` depths to a block."""
    fig = figure("after block", "rank of the final answer", height=240)
    add_token_lines(fig, rank, places, labels, token, "rank %{y:,}", "the others shown")
    axis = log_axis(1, float(max(rank.max(), 10)))
    fig.update_yaxes(axis | {"range": axis["range"][::-1]})
    return fig.update_xaxes(_depth_axis(len(places), steps)).update_layout(margin={"t": 36})


def _depth_axis(n: int, steps: int, start: int = 0, room: int = 16) -> dict[str, Any]:
    """An axis over n depths, `steps` to a block: 0 is the embeddings, at most `room` ticks stand where a block ends."""
    n_blocks = (n - 1) // steps
    blocks = range(0, n_blocks, -(-n_blocks // room))
    return {
        "tickmode": "array",
        "tickvals": [*([] if start else [0]), *(steps * (block + 1) - start for block in blocks)],
        "ticktext": [*([] if start else ["emb."]), *map(str, blocks)],
    }

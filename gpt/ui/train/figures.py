"""The figures of the Train tab: plain data in, plotly figures out."""

from collections.abc import Mapping, Sequence
from math import log10

import plotly.graph_objects as go

from ..common.colours import ACCENT, COLOURS
from ..common.figure_template import figure, log_axis, stacked

STEPS, TOKENS = "steps", "tokens read"
_LEAST = 1e-12  # where a logarithmic scale shows 0
_ROOM_BELOW = 0.08  # for the words below the lowest line, as a share of the axis

# x values, y values
Curve = tuple[Sequence[float], Sequence[float]]


def loss_figure(batches: Curve, held_out: Curve, lines: Mapping[str, float], over: str) -> go.Figure:
    """Losses (nats per token) while a model learned: of its batches, of text kept back; lines are losses to compare."""
    fig = figure(over, "loss, nats per token", height=340)
    for name, (x, y), mode, colour, width in (
        ("on the text it learns", batches, "lines", COLOURS["before"], 1.5),
        ("on text kept back", held_out, "lines+markers", ACCENT, 2.5),
    ):
        fig.add_scatter(
            x=x,
            y=y,
            name=name,
            mode=mode,
            line={"color": colour, "width": width},
            marker={"size": 6},
            hovertemplate=f"{name}: %{{y:.3f}} nats<extra>%{{x:,}} {over}</extra>",
        )
    for name, loss in lines.items():
        is_lowest = loss == min(lines.values())  # below it nothing is ever drawn
        fig.add_hline(loss, line={"color": COLOURS["branch"], "width": 1, "dash": "dot"})
        fig.add_annotation(
            text=f"{name}: {loss:.2f}",
            x=1,
            xref="paper",
            xanchor="right",
            y=log10(max(loss, _LEAST)),  # where a logarithmic axis has it
            yanchor="top" if is_lowest else "bottom",
            showarrow=False,
        )
    shown = [max(loss, _LEAST) for loss in (*lines.values(), *batches[1], *held_out[1])]
    room = (max(shown) / min(shown)) ** _ROOM_BELOW
    return fig.update_yaxes(log_axis(min(shown) / room, max(shown))).update_xaxes(rangemode="tozero")


def course_figure(
    curves: Mapping[str, Curve], logarithmic: Sequence[str], shares: Sequence[str], over: str
) -> go.Figure:
    """A panel for each named curve over the same x; those named logarithmic have such an axis, shares are percent."""
    fig = stacked(list(curves), over, height=340, gap=34)
    for row, (name, (x, y)) in enumerate(curves.items(), 1):
        fig.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": ACCENT, "width": 2},
            showlegend=False,
            hovertemplate=f"%{{y:.4~g}}<extra>%{{x:,}} {over}</extra>",
            row=row,
            col=1,
        )
        if name in logarithmic and y:
            fig.update_yaxes(log_axis(max(min(y), _LEAST), max(*y, _LEAST)), row=row)
        else:
            fig.update_yaxes(rangemode="tozero", nticks=4, tickformat=".0%" if name in shares else "", row=row)
    return fig.update_xaxes(rangemode="tozero")


def deviation_figure(places: Sequence[str], by_step: Mapping[int, Sequence[float]], step: int) -> go.Figure:
    """Deviation (n,) of a token's features at n places on the way through the model, at every saved step.

    The chosen step is in front; of the others the later ones are the darker ones.
    """
    fig = figure("after", "deviation of the features", height=260)
    behind = [each for each in by_step if each != step]
    for rank, each in enumerate([*behind, step]):
        in_front = each == step
        fig.add_scatter(
            x=list(range(len(places))),
            y=by_step[each],
            text=places,
            name=f"step {each:,}" if in_front else "the other saved steps, darker with time",
            legendgroup=str(in_front),
            showlegend=in_front or rank == len(behind) - 1,
            mode="lines+markers" if in_front else "lines",
            opacity=1 if in_front else 0.25 + 0.75 * (rank + 1) / len(behind),
            line={"color": ACCENT if in_front else COLOURS["before"], "width": 2.5 if in_front else 1.5},
            hovertemplate=f"%{{text}}: %{{y:.4f}}<extra>step {each:,}</extra>",
        )
    shown = [max(value, _LEAST) for values in by_step.values() for value in values]
    fig.update_yaxes(log_axis(min(shown), max(shown)))
    step = -(-len(places) // 9)
    ticks = list(range(0, len(places), step))
    fig.update_xaxes(tickmode="array", tickvals=ticks, ticktext=[places[tick] for tick in ticks])
    return fig.update_layout(margin={"t": 36}, showlegend=True)

"""The figures of the LayerNorm tab: arrays in, plotly figures out.

Arrays are float32 numpy: t tokens, d features of one norm, n norms of the network in the order of the data.
A stage is "before", "normalized" or "after"; labels name the tokens, whose first has the number `first` in the text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..common.colours import ACCENT, COLOURS, DIVERGING
from ..common.figure_template import add_token_lines, figure, log_axis, stacked, token_axis, token_names
from ..common.number_format import fine_chance, real

STAGE_TITLES = {"before": "before", "normalized": "normalized", "after": "after scale, shift"}

_BINS = 120
_SELECTED = {"color": COLOURS["branch"], "width": 1.5, "dash": "dot"}


def distribution(stages: Mapping[str, np.ndarray]) -> go.Figure:
    """The distribution of one token's features (d,) at each stage, on one axis, with mean and deviation marked."""
    low, high = shared_limits(list(stages.values()))
    fig = stacked([_spread_title(stage, x) for stage, x in stages.items()], "value of a feature", 400)
    edges = np.linspace(low, high, _BINS + 1)
    for row, (stage, x) in enumerate(stages.items(), 1):
        counts, _ = np.histogram(x, edges)
        fig.add_bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=counts,
            width=edges[1] - edges[0],
            marker={"color": COLOURS[stage], "line": {"width": 0}},
            hovertemplate="features near %{x:.3f}: %{y}<extra></extra>",
            row=row,
            col=1,
        )
        mean, deviation = float(x.mean()), float(x.std())
        fig.add_vrect(
            max(low, mean - deviation),
            min(high, mean + deviation),
            fillcolor=COLOURS[stage],
            opacity=0.16,
            line_width=0,
            row=row,
            col=1,
        )
        fig.add_vline(mean, line={"color": ACCENT, "width": 1.5, "dash": "dot"}, row=row, col=1)
    fig.update_layout(bargap=0, showlegend=False)
    fig.update_xaxes(range=[low, high])
    fig.update_yaxes(nticks=4, rangemode="tozero")
    fig.update_yaxes(title={"text": "number of features", "font": {"size": 13}}, row=2)
    return fig


def per_token(
    labels: Sequence[str], first: int, means: Mapping[str, np.ndarray], deviations: Mapping[str, np.ndarray], token: int
) -> go.Figure:
    """Mean and deviation of every token's features at each stage, (t,) each, with the selected token marked."""
    fig = stacked(["mean over the features", "deviation over the features (logarithmic)"], height=400)
    for row, series in enumerate((means, deviations), 1):
        for stage, values in series.items():
            fig.add_scatter(
                y=values,
                text=token_names(labels, first),
                name=stage,
                legendgroup=stage,
                showlegend=row == 1,
                mode="lines+markers",
                marker={"size": 5},
                line={"color": COLOURS[stage], "width": 2, "dash": "dot" if stage == "normalized" else "solid"},
                hovertemplate=f"%{{text}}: %{{y:.5g}}<extra>{STAGE_TITLES[stage]}</extra>",
                row=row,
                col=1,
            )
    fig.add_vline(token, line=_SELECTED)
    fig.update_yaxes(_log(list(deviations.values())), row=2)
    fig.update_xaxes(token_axis(labels, room=26))
    return fig.update_layout(legend={"y": 1.07}, margin={"t": 56})


def feature_map(
    labels: Sequence[str], first: int, stages: Mapping[str, np.ndarray], outliers: Sequence[int], token: int
) -> go.Figure:
    """Every feature of every token, (t, d) at each stage, blue below 0 and orange above.

    The outliers are named, the selected token is framed.
    """
    fig = stacked([STAGE_TITLES[stage] for stage in stages], "feature", height=450, gap=58)
    fig.update_annotations(yshift=14)
    for row, (stage, x) in enumerate(stages.items(), 1):
        limit = colour_limit(x)
        bottom, top = fig.layout["yaxis" if row == 1 else f"yaxis{row}"].domain
        fig.add_heatmap(
            z=x,
            y=token_names(labels, first),
            zmin=-limit,
            zmax=limit,
            colorscale=DIVERGING,
            colorbar={"y": (bottom + top) / 2, "len": top - bottom, "thickness": 10, "outlinewidth": 0, "nticks": 5},
            hovertemplate=f"%{{y}}, feature %{{x}}: %{{z:.4g}}<extra>{STAGE_TITLES[stage]}</extra>",
            row=row,
            col=1,
        )
        fig.add_hrect(token - 0.5, token + 0.5, line={"color": COLOURS["branch"], "width": 1}, row=row, col=1)
        for feature in outliers:
            fig.add_annotation(
                x=feature, y=-0.5, text=str(feature), ax=0, ay=-9, arrowhead=0, font={"size": 11}, row=row, col=1
            )
    fig.update_yaxes(token_axis(labels, room=14) | {"autorange": "reversed"})
    return fig.update_xaxes(showgrid=False).update_layout(margin={"t": 40})


def scale_and_shift(scale: np.ndarray, shift: np.ndarray) -> go.Figure:
    """The two learned vectors (d,) of a norm, feature by feature; the three farthest from the mean are named."""
    fig = stacked(["scale", "shift"], "feature", height=400)
    for row, (name, values) in enumerate((("scale", scale), ("shift", shift)), 1):
        distance = np.abs(values - values.mean())
        named = np.argsort(-distance)[: 3 if distance.any() else 0]
        fig.add_scatter(
            y=values,
            mode="markers",
            marker={"size": 4, "color": COLOURS["norms"]},
            hovertemplate=f"feature %{{x}}: {name} %{{y:.5g}}<extra></extra>",
            row=row,
            col=1,
        )
        for feature in named:
            fig.add_annotation(
                x=int(feature), y=float(values[feature]), text=str(feature), ax=0, ay=-14, arrowhead=0, row=row, col=1
            )
    fig.update_xaxes(range=[-0.01 * len(scale), 1.01 * len(scale)])
    return fig.update_layout(showlegend=False)


def depth(places: Sequence[str], labels: Sequence[str], deviations: np.ndarray, token: int, place: int) -> go.Figure:
    """Deviation of the residual stream entering each norm, (n, t): a line per token, the selected one in front.

    The chosen norm is marked.
    """
    fig = figure("", "deviation entering the norm (logarithmic)", height=400)
    add_token_lines(fig, deviations, places, labels, token, "%{y:.4g}", "other tokens")
    fig.add_scatter(
        y=np.ones(len(places)),
        mode="lines",
        line={"color": COLOURS["normalized"], "width": 2, "dash": "dot"},
        name="after normalizing",
        hoverinfo="skip",
    )
    fig.add_vline(place, line=_SELECTED)
    fig.update_yaxes(_log([deviations, np.ones(1)]))
    return fig.update_xaxes(place_axis(len(places)))


def what_if_depth(places: Sequence[str], with_norms: np.ndarray, without: np.ndarray) -> go.Figure:
    """Deviation of one token's residual stream, (n,) each, in the network as it is and without its norms."""
    fig = figure("", "deviation (logarithmic)", height=240)
    for name, values, colour in (
        ("with its LayerNorms", with_norms, COLOURS["original"]),
        ("without them", without, COLOURS["branch"]),
    ):
        fig.add_scatter(
            y=values,
            name=name,
            mode="lines+markers",
            marker={"size": 5},
            line={"color": colour, "width": 2},
            text=places,
            hovertemplate=f"%{{text}}: %{{y:.4g}}<extra>{name}</extra>",
        )
    fig.update_yaxes(_log([with_norms, without]))
    return fig.update_xaxes(place_axis(len(places)))


def what_if_next(tokens: Sequence[str], with_norms: Sequence[float], without: Sequence[float]) -> go.Figure:
    """Probabilities of the same next tokens from both networks, side by side."""
    fig = figure("probability", "", height=240)
    for name, values, colour in (
        ("without them", without, COLOURS["branch"]),
        ("with its LayerNorms", with_norms, COLOURS["original"]),
    ):
        fig.add_bar(
            x=values,
            y=list(range(len(tokens))),
            orientation="h",
            name=name,
            marker={"color": colour},
            customdata=list(map(fine_chance, values)),
            hovertemplate=f"%{{y}}: %{{customdata}}<extra>{name}</extra>",
        )
    fig.update_yaxes(token_axis(tokens) | {"autorange": "reversed"})
    fig.update_xaxes(tickformat=".0%", rangemode="tozero")
    return fig.update_layout(legend={"traceorder": "reversed"})


def example(before: np.ndarray, normalized: np.ndarray) -> go.Figure:
    """The chapter's two rows (2, n), before and after normalizing, feature by feature."""
    fig = stacked(["first example", "second example"], "feature", height=240)
    for row in (1, 2):
        for stage, x in (("before", before), ("normalized", normalized)):
            fig.add_bar(
                x=list(range(1, x.shape[1] + 1)),
                y=x[row - 1],
                name=stage,
                legendgroup=stage,
                showlegend=row == 1,
                marker={"color": COLOURS[stage]},
                hovertemplate=f"feature %{{x}}: %{{y:.4f}}<extra>{STAGE_TITLES[stage]}</extra>",
                row=row,
                col=1,
            )
    fig.update_xaxes(dtick=1, showgrid=False)
    fig.update_yaxes(nticks=4)
    return fig.update_layout(legend={"y": 1.12}, margin={"t": 56})


def shared_limits(stages: Sequence[np.ndarray]) -> tuple[float, float]:
    """Ends of an axis with room for nearly every value: a few far outliers must not flatten the rest."""
    inner = [np.quantile(x, (0.005, 0.995)) for x in stages]
    low, high = min(ends[0] for ends in inner), max(ends[1] for ends in inner)
    margin = 0.3 * (high - low) or 1.0
    values = np.concatenate(stages)
    return float(max(low - margin, values.min() - 0.02 * margin)), float(
        min(high + margin, values.max() + 0.02 * margin)
    )


def beyond(x: np.ndarray, low: float, high: float) -> list[int]:
    """The features of x (d,) that such an axis leaves out, the farthest first."""
    return [int(feature) for feature in np.argsort(-np.abs(x)) if not low <= x[feature] <= high]


def colour_limit(x: np.ndarray) -> float:
    """Where the colours of a map saturate: one value in a hundred lies beyond, so outliers do not dim the rest."""
    return float(np.quantile(np.abs(x), 0.99)) or 1.0


def place_axis(n: int) -> dict[str, Any]:
    """An axis over the n norms of a network: block numbers at each block's norm1, and the last norm."""
    step = 2 * -(-n // 52)
    ticks = list(range(0, n - 1, step))
    return {
        "title": {"text": "block (norm1, then norm2)", "standoff": 8},
        "tickmode": "array",
        "tickvals": [*ticks, n - 1],
        "ticktext": [*(str(tick // 2) for tick in ticks), "final"],
    }


def _log(values: Sequence[np.ndarray]) -> dict[str, Any]:
    """A logarithmic axis for all numbers of these arrays that such an axis can show."""
    numbers = np.concatenate([x.ravel() for x in values])
    shown = numbers[np.isfinite(numbers) & (numbers > 0)]
    return log_axis(float(shown.min()), float(shown.max()))


def _spread_title(stage: str, x: np.ndarray) -> str:
    return f"<b>{STAGE_TITLES[stage]}</b>: mean {real(x.mean())}, deviation {real(x.std())}"

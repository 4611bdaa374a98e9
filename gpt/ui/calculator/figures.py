"""The Calculator's figures: parameters by component, memory by part and as it grows, operations by component."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ...estimates.budget import MemoryEstimate
from ..common.colours import COLOURS, text_colour
from ..common.figure_template import figure

# What each component and part is called on the page, and its colour; related ones share it in two shades.
COMPONENTS = {
    "token_embedding": ("Token embedding", COLOURS["embeddings"]),
    "position_embedding": ("Position embedding", "#B9DCF1"),
    "attention": ("Attention", COLOURS["attention"]),
    "attention_scores": ("Attention scores", "#F6CF80"),
    "feed_forward": ("Feed-forward", COLOURS["feed-forward"]),
    "norms": ("Norms", COLOURS["norms"]),
    "output_head": ("Output head", COLOURS["output head"]),
}
MEMORY_PARTS = {
    "weights": ("Weights", COLOURS["weights"]),
    "gradients": ("Gradients", COLOURS["gradients"]),
    "optimizer": ("Optimizer state", COLOURS["optimizer"]),
    "activations": ("Activations", COLOURS["activations"]),
    "kv_cache": ("KV cache", COLOURS["attention"]),
    "logits": ("Logits", COLOURS["output head"]),
}
_BYTE_UNITS = ((" GiB", 2**30), (" MiB", 2**20), (" KiB", 2**10), (" bytes", 1))
_COUNT_UNITS = ((" M", 10**6), (" k", 10**3), ("", 1))
_FLOP_UNITS = ((" PFLOP", 10**15), (" TFLOP", 10**12), (" GFLOP", 10**9), (" MFLOP", 10**6), (" FLOP", 1))

_ONE_BAR, _NEXT_BAR = 90, 26  # pixels of a figure with one bar, and of each further one
_HEADROOM = 1.18  # above the highest point, for its label

Units = Sequence[tuple[str, int]]


def parameter_bars(counts: Mapping[str, Mapping[str, int]]) -> go.Figure:
    """One bar per model, its parameters by component; counts are {model: {component: parameters}}."""
    return _stacked_bars(counts, COMPONENTS, _COUNT_UNITS)


def memory_bar(estimate: MemoryEstimate) -> go.Figure:
    """One bar, the total by its parts."""
    return _stacked_bars({"": {part: getattr(estimate, part) for part in MEMORY_PARTS}}, MEMORY_PARTS, _BYTE_UNITS)


def cache_bars(sizes: Mapping[str, int]) -> go.Figure:
    """One bar for each kind of attention, sizes {name: bytes}."""
    return _stacked_bars({name: {"kv_cache": n_bytes} for name, n_bytes in sizes.items()}, MEMORY_PARTS, _BYTE_UNITS)


def flop_bar(components: Mapping[str, int]) -> go.Figure:
    """One bar, the operations of a forward pass by {component: operations}."""
    return _stacked_bars({"": components}, COMPONENTS, _FLOP_UNITS)


def memory_curve(
    points: Sequence[tuple[int, MemoryEstimate]], x_title: str, present: int, height: int = 220
) -> go.Figure:
    """Stacked areas of memory over batch size or sequence length, a line of the peak, and one at the present value."""
    highest = max(max(estimate.total, estimate.peak) for _, estimate in points)
    unit, factor = _unit(highest, _BYTE_UNITS)
    drawn = figure(x_title, "", height)
    values = [value for value, _ in points]
    for part, (label, colour) in MEMORY_PARTS.items():
        sizes = [getattr(estimate, part) / factor for _, estimate in points]
        if any(sizes):
            drawn.add_scatter(
                x=values,
                y=sizes,
                name=label,
                mode="lines",
                line={"width": 0.5, "color": colour},
                fillcolor=colour,
                stackgroup="memory",
                hovertemplate="%{y:,.2f}" + unit,
            )
    # What has to fit: above the sum of the parts, or below it. White below its dashes, it is seen on any part.
    peaks = [estimate.peak / factor for _, estimate in points]
    drawn.add_scatter(x=values, y=peaks, mode="lines", line={"width": 3, "color": "#FFFFFF"}, hoverinfo="skip")
    drawn.add_scatter(
        x=values,
        y=peaks,
        name="Fullest moment",
        mode="lines",
        line={"width": 2, "color": "#111827", "dash": "dash"},
        hovertemplate="%{y:,.2f}" + unit,
    )
    end = max(points[-1][1].total / factor, peaks[-1])
    drawn.add_annotation(
        x=values[-1], y=end, text="dashed: fullest moment", showarrow=False, xanchor="right", yanchor="bottom"
    )
    drawn.add_vline(present, line={"color": "#D4601C", "width": 1.5, "dash": "dot"})
    drawn.update_layout(
        hovermode="x unified",
        showlegend=False,
        yaxis={
            "range": [0, _HEADROOM * highest / factor],
            "ticksuffix": unit,
            "showticksuffix": "last",
            "separatethousands": True,
        },
    )
    return drawn


def _stacked_bars(
    bars: Mapping[str, Mapping[str, int]], kinds: Mapping[str, tuple[str, str]], units: Units
) -> go.Figure:
    """Horizontal bars; a single one has the names of its parts written on it, where they fit."""
    unit, factor = _unit(max(sum(parts.values()) for parts in bars.values()), units)
    segments = [
        (name, sum(list(parts.values())[:place]), amount, *kinds[kind])
        for name, parts in bars.items()
        for place, (kind, amount) in enumerate(parts.items())
    ]
    names, starts, amounts, labels, colours = zip(*segments, strict=True)
    drawn = figure(height=_ONE_BAR + _NEXT_BAR * (len(bars) - 1))
    drawn.add_bar(
        orientation="h",
        y=names,
        base=[start / factor for start in starts],
        x=[amount / factor for amount in amounts],
        marker={"color": colours},
        text=labels if len(bars) == 1 else None,
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        insidetextfont={"color": [text_colour(colour) for colour in colours]},
        hovertext=[f"{label}: {amount:,}" for label, amount in zip(labels, amounts, strict=True)],
        hoverinfo="text",
    )
    drawn.update_layout(
        barmode="overlay",
        showlegend=False,
        uniformtext={"mode": "hide", "minsize": 11},
        xaxis={"ticksuffix": unit, "showticksuffix": "first", "separatethousands": True},
        yaxis={"autorange": "reversed", "showticklabels": len(bars) > 1, "showgrid": False},
    )
    return drawn


def _unit(largest: int, units: Units) -> tuple[str, int]:
    """The greatest unit of which there is at least one."""
    return next((unit for unit in units if largest >= unit[1]), units[-1])

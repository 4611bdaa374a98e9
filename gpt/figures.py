"""What every figure shares: one palette, one template, the probability scale, token axes.

No model and no gradio here. Backgrounds are transparent; assets/style.css gives text and grid
the page's colours, so a figure follows light and dark without being drawn again.
"""

from collections.abc import Sequence
from math import log10

import plotly.graph_objects as go
from plotly.subplots import make_subplots

# One colour per idea, the same on every tab; told apart in colour-blind vision and, by lightness, in grey.
COLOURS = {
    "embeddings": "#56A9DB",
    "attention": "#E69F00",
    "feed-forward": "#0B9E77",
    "norms": "#C673A4",
    "output head": "#2C6DB2",
    "weights": "#5A6F8C",
    "gradients": "#93A3B8",
    "optimizer": "#C3CCD8",
    "activations": "#8561B8",
    "before": "#8592A3",
    "normalized": "#D9A6C8",
    "after": "#A8478A",
    "kept": "#2C7FC4",
    "cut": "#B4BCC7",
    "original": "#7D8896",
    "branch": "#D4601C",
}
ACCENT = COLOURS["kept"]

FONT = "Source Sans Pro, sans-serif"
MONO = "IBM Plex Mono, monospace"
_TEXT = "#6B7280"  # replaced by the page's own text colour, kept in exported pictures
_GRID = "rgba(128,136,150,0.22)"
_AXIS = {"gridcolor": _GRID, "zerolinecolor": _GRID, "linecolor": _GRID, "ticks": "", "automargin": True}

# Ends of the probability scale in OKLab (lightness, a, b), even steps to the eye: away from the page's colour.
_SCALE_LIGHT = ((0.965, -0.008, -0.012), (0.40, -0.025, -0.125))
_SCALE_DARK = ((0.26, -0.005, -0.03), (0.80, -0.04, -0.09))

# Diverging around 0: blue below, orange above, clear between, so that it ends in the page's colour in light and dark.
_BELOW, _ABOVE = "47,127,208", "217,115,13"
DIVERGING = [
    [0.0, f"rgba({_BELOW},1)"],
    [0.5, f"rgba({_BELOW},0)"],
    [0.5, f"rgba({_ABOVE},0)"],
    [1.0, f"rgba({_ABOVE},1)"],
]


def figure(x_title: str = "", y_title: str = "", height: int = 280) -> go.Figure:
    """An empty figure in the house style; titles carry the unit, height is in pixels."""
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


def log_axis(lowest: float, highest: float) -> dict:
    """Settings of a logarithmic axis with room for both numbers and no more ticks than can be read."""
    low, high = log10(lowest), log10(highest)
    margin = max(0.05 * (high - low), 0.05)
    axis = {"type": "log", "range": [low - margin, high + margin]}
    if high - low < 2:
        return axis | {"dtick": "D2", "tickformat": "~g"}
    return axis | {"dtick": max(1, round((high - low) / 6)), "exponentformat": "power"}


def _title(text: str) -> dict:
    return {"text": text, "standoff": 8, "font": {"size": 13}}


def token_axis(labels: Sequence[str], longest: int = 12, room: int | None = None) -> dict:
    """Settings of an axis with one tick per token, in order: equal tokens keep places of their own.

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


def probability_colour(probability: float, dark: bool = False) -> str:
    """The colour (#rrggbb) of a probability in [0, 1]: equal steps of probability look equally far apart."""
    low, high = _SCALE_DARK if dark else _SCALE_LIGHT
    return _hex(tuple(a + (b - a) * probability for a, b in zip(low, high, strict=True)))


def text_colour(background: str) -> str:
    """Black or white, whichever reads better on background (#rrggbb); the contrast is never below 4.5."""
    return "#000000" if _luminance(background) > 0.179 else "#ffffff"


def token_names(labels: Sequence[str], first: int = 1) -> list[str]:
    """Labels with their numbers, counted from `first`: all different, so hovering over a map tells the token."""
    return [f"{escaped(label)} ({number})" for number, label in enumerate(labels, first)]


def escaped(text: str) -> str:
    """Plotly reads a small HTML in every label."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _hex(oklab: tuple[float, ...]) -> str:
    """OKLab to sRGB, after Björn Ottosson, "A perceptual color space for image processing" (2020)."""
    lightness, a, b = oklab
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return "#" + "".join(f"{round(255 * _gamma(min(max(channel, 0), 1))):02x}" for channel in linear)


def _gamma(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """The WCAG 2 contrast ratio of two colours, 1 to 21."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# The same scale for plotly's own colour axes.
PROBABILITY_SCALE = [[step / 10, probability_colour(step / 10)] for step in range(11)]

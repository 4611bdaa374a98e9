"""The page's colours: one for each idea, and a scale for probabilities that looks even to the eye.

A probability has two colours, for the light and for the dark page; text on it is black or white.
"""

# One colour per idea, the same on every tab; distinct in colour-blind vision and, by lightness, in grey.
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

# Ends of the probability scale in OKLab (lightness, a, b), where equal steps look equal; 0 is near the page's colour.
_SCALE_LIGHT = ((0.965, -0.008, -0.012), (0.40, -0.025, -0.125))
_SCALE_DARK = ((0.26, -0.005, -0.03), (0.80, -0.04, -0.09))

# Around 0: blue below, orange above, transparent at 0, so that 0 has the page's colour in light and dark.
BELOW, ABOVE = "47,127,208", "217,115,13"  # red, green, blue
DIVERGING = [
    [0.0, f"rgba({BELOW},1)"],
    [0.5, f"rgba({BELOW},0)"],
    [0.5, f"rgba({ABOVE},0)"],
    [1.0, f"rgba({ABOVE},1)"],
]


def probability_colour(probability: float, dark: bool = False) -> str:
    """The colour (#rrggbb) of a probability in [0, 1]: equal steps of probability look equally far apart."""
    low, high = _SCALE_DARK if dark else _SCALE_LIGHT
    return _hex(tuple(a + (b - a) * probability for a, b in zip(low, high, strict=True)))


def text_colour(background: str) -> str:
    """Black or white, whichever reads better on background (#rrggbb); the contrast is never below 4.5."""
    return "#000000" if _luminance(background) > 0.179 else "#ffffff"


def channels(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of #rrggbb, 0 to 255 each."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def translucent(colour: str, opacity: float) -> str:
    """#rrggbb with an opacity from 0 to 1, as CSS and plotly write it."""
    red, green, blue = channels(colour)
    return f"rgba({red},{green},{blue},{opacity:.3g})"


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
    shares = [channel / 255 for channel in channels(colour)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """The WCAG 2 contrast ratio of two colours, 1 to 21."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)

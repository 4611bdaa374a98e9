"""Lesson 4.3: GELU, which part of it this model uses, and the feed-forward network around it."""

import torch

from ....chapter.feed_forward import feed_forward_pass
from ....model import GELU
from ...common.number_format import percent
from ..tour_stop import Lesson, Stop, Told, guess_number, panel
from ..tour_text import Reading


def _written(value: float) -> str:
    return f"{value + 0.0:.4f}".replace("-", "−")


def _gelu(_: Reading) -> Told:
    value = float(GELU()(torch.tensor([-1.0])))
    return Told(
        "Between two layers stands an activation function; without it, two layers could do no more than one. A "
        "simple one is ReLU: what is below 0 becomes 0, the rest stays. GELU is a smooth one.",
        guess_number(
            "ReLU makes 0 of −1. What does GELU make of it?",
            value,
            (-1, 0),
            _written,
            f"{_written(value)}: a little of it comes through. So a number below 0 still has a slope, and can be "
            "learned from.",
        ),
    )


def _share(r: Reading) -> Told:
    passed = feed_forward_pass(r.model, r.traced.trace, 0)
    above = float((passed.preactivations > 0).float().mean())
    return Told(
        "Behind the curves you see the numbers that this model gives to the GELU of its first block, for the text on "
        "the page.",
        guess_number(
            "How many of them lie above 0?",
            above,
            (0.5, 0.9),
            percent,
            f"{percent(above)} of {passed.preactivations.numel():,} numbers. The others are pressed towards 0: most "
            "inner neurons have nothing to say about most tokens."
            if above < 0.4
            else f"{percent(above)} of {passed.preactivations.numel():,} numbers; the others are pressed towards 0.",
        ),
    )


def _network(r: Reading) -> Told:
    passed = feed_forward_pass(r.model, r.traced.trace, 0).at(r.traced.token)
    d, wide = r.config.emb_dim, r.config.inner_width
    firing = int(passed.firing.sum())
    return Told(
        f"The feed-forward network takes each token on its own: its {d:,} numbers are expanded, passed through GELU, "
        "and contracted to as many as before.",
        guess_number(
            "To how many numbers are they expanded?",
            wide,
            (d, 2 * d),
            "{:,.0f}".format,
            f"{wide:,}, {wide / d:g} times as many. For {r.quoted(r.prompt[-1])} in block 0, {firing:,} of them are "
            "above 0 after GELU; the table names the strongest.",
        ),
    )


LESSON = Lesson(
    "4.3",
    "4.3 Feed-forward",
    (
        Stop("A smooth curve", "building-blocks", "#gelu-values", _gelu, panel("gelu")),
        Stop("Where this model is", "building-blocks", "#gelu-values, #gelu-said", _share, panel("gelu")),
        Stop(
            "Expanded and contracted",
            "building-blocks",
            "#feed-forward-layers",
            _network,
            panel("feed-forward"),
            hides="#feed-forward-layers, #neurons",
            reads_prompt=True,
        ),
    ),
)

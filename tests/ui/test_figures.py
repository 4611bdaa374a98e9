"""Every line and bar of a figure is named after what it shows, and has the colour of that idea."""

import json
from base64 import b64decode

import numpy as np
import pytest

from gpt.estimates.budget import memory_of
from gpt.ui.calculator.figures import COMPONENTS, MEMORY_PARTS
from gpt.ui.calculator.setting_controls import ConfigControls, WorkloadControls, settings_from
from gpt.ui.common.colours import COLOURS
from gpt.ui.inside.figures import ranks, stream_lengths
from gpt.ui.layernorm.figures import what_if_depth, what_if_next
from gpt.ui.train.figures import deviation_figure, loss_figure

# Where a view is chosen, the view, its figure; then what is named there, and the idea whose colour it has.
NAMED = [
    ("norm-view", "Per token", "norm-figure", {"before": "before", "normalized": "normalized", "after": "after"}),
    (
        "norm-view", "Through the depth", "norm-figure",
        {"other tokens": "before", "selected token": "branch", "after normalizing": "normalized"},
    ),
    ("norm-view", "Without norms", "norm-figure", {"with its LayerNorms": "original", "without them": "branch"}),
    ("norm-view", "Without norms", "norm-second", {"with its LayerNorms": "original", "without them": "branch"}),
    (
        "inside-view", "Residual stream", "inside-figure",
        {"the stream": "before", "what attention adds": "attention", "what feed-forward adds": "feed-forward"},
    ),
    ("inside-view", "Logit lens", "inside-figure", {"selected token": "branch", "the others shown": "before"}),
]  # fmt: skip


def figure(visitor, elem_id: str) -> dict:
    """The last figure that the last event drew there, as the browser gets it."""
    return json.loads(visitor.shown(elem_id)[-1].plot)


def numbers(values) -> np.ndarray:
    """Numbers as plotly sends them: a list, or bytes in base 64."""
    if isinstance(values, dict):
        return np.frombuffer(b64decode(values["bdata"]), values["dtype"])
    return np.array(values, float)


@pytest.mark.parametrize(
    ("control", "view", "elem_id", "ideas"), NAMED, ids=[f"{each[1]}, {each[2]}" for each in NAMED]
)
def test_what_is_named_has_its_ideas_colour(visitor, control, view, elem_id, ideas):
    visitor.put(**{control.replace("-", "_"): view})
    visitor.fire(control, "input")
    found = {}
    for line in figure(visitor, elem_id)["data"]:
        style = line["line"] if line["type"] == "scatter" and "color" in line.get("line", {}) else line["marker"]
        found.setdefault(line["name"], set()).add(style["color"])
    assert found == {name: {COLOURS[idea]} for name, idea in ideas.items()}


def test_before_normalized_and_after_keep_their_colours_in_this_order(visitor):
    visitor.put(norm_view="Distribution")
    visitor.fire("norm-view", "input")
    bars = figure(visitor, "norm-figure")["data"]
    assert [bar["marker"]["color"] for bar in bars] == [COLOURS[stage] for stage in ("before", "normalized", "after")]


@pytest.mark.parametrize("over", ["seq_len", "batch_size"])
def test_the_growth_of_memory_has_each_part_in_its_colour_and_marks_the_present_value(visitor, over):
    visitor.put(calc_over=over, calc_seq_len=24, calc_batch_size=5, calc_mode="training", calc_dtype="float32")
    visitor.fire("calc-over", "input")
    drawn = figure(visitor, "calc-growth")
    named = dict(MEMORY_PARTS.values())
    *areas, _, peak = drawn["data"]
    assert {area["name"]: area["line"]["color"] for area in areas}.items() <= named.items()
    assert "stackgroup" not in peak and peak["name"] == "Fullest moment"
    (mark,) = drawn["layout"]["shapes"]
    assert mark["x0"] == mark["x1"] == {"seq_len": 24, "batch_size": 5}[over]
    end = {"seq_len": visitor.value("calc-context_length"), "batch_size": 4 * 5}[over]
    assert numbers(drawn["data"][0]["x"])[-1] == end
    assert ("sequences in the batch" in drawn["layout"]["xaxis"]["title"]["text"]) == (over == "batch_size")


def test_every_part_of_a_bar_has_its_name_colour_and_share_of_the_length(visitor):
    visitor.fire("calc-seq_len", "input")
    config, workload = settings_from(*(visitor.value(elem_id) for elem_id in fields()))
    estimate = memory_of(config, workload)
    (bar,) = figure(visitor, "calc-memory-bar")["data"]
    assert bar["text"] == [label for label, _ in MEMORY_PARTS.values()]
    assert bar["marker"]["color"] == [colour for _, colour in MEMORY_PARTS.values()]
    parts = np.array([getattr(estimate, part) for part in MEMORY_PARTS])
    np.testing.assert_allclose(numbers(bar["x"]) / numbers(bar["x"]).sum(), parts / estimate.total, rtol=1e-6)
    (bar,) = figure(visitor, "calc-own")["data"]
    assert bar["text"] == [label for label, _ in COMPONENTS.values() if label in bar["text"]]
    assert dict(zip(bar["text"], bar["marker"]["color"], strict=True)).items() <= dict(COMPONENTS.values()).items()


def fields() -> list[str]:
    """The Calculator's fields in the order of its settings."""
    return [f"calc-{name}" for controls in (ConfigControls, WorkloadControls) for name in controls.__dataclass_fields__]


PLACES, LENGTHS = ["emb.", "a", "b"], np.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("drawn", "x", "y"),
    [
        (stream_lengths(PLACES, LENGTHS, LENGTHS[1:]), "after block", "length (logarithmic)"),
        (ranks(PLACES, ["A", "B"], np.ones((3, 2)), 0, 2), "after block", "rank of the final answer"),
        (what_if_depth(PLACES, LENGTHS, LENGTHS), "block (norm1, then norm2)", "deviation (logarithmic)"),
        (what_if_next(["A", "B"], [0.2, 0.1], [0.1, 0.2]), "probability", ""),
        (deviation_figure(PLACES, {0: LENGTHS, 1: LENGTHS}, 1), "after", "deviation of the features"),
        (loss_figure(([0, 1], [3.0, 2.0]), ([0], [3.0]), {}, "steps"), "steps", "loss, nats per token"),
    ],
)
def test_each_axis_is_named_after_the_numbers_along_it(drawn, x, y):
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == (x, y)

"""The code behind the Train tab reads from the recording what the tab draws."""

import json
import re
from html import unescape
from typing import Any

import pytest

from gpt.training.training_history import recorded_history
from gpt.ui.common.number_format import chance, percent
from gpt.ui.train import figures
from tests.ui.code_behind.pasted import executed, saved
from tests.ui.test_figures import numbers
from tests.ui.visitor import Visitor


def drawn(visitor: Visitor, elem_id: str) -> Any:
    """The figure that the last event drew."""
    return json.loads(visitor.shown(elem_id)[-1].plot)


@pytest.mark.parametrize("over", [figures.STEPS, figures.TOKENS])
def test_the_curves_are_those_that_are_drawn(looking, over):
    looking.put(train_over=over)
    looking.open_tab("Train")
    found, loss, course = executed(looking, "train-code"), drawn(looking, "train-loss"), drawn(looking, "train-course")
    learned, kept_back = loss["data"]
    assert (found["read"], found["losses"]) == (learned["x"], learned["y"])
    assert found["held_out"] == list(zip(kept_back["x"], kept_back["y"], strict=True))
    shares, rates, norms = (each["y"] for each in course["data"])
    assert (found["accepted"], found["rates"], found["norms"]) == (shares, rates, norms)
    rows = saved(looking, "train-csv")
    assert found["losses"] == rows["loss"].dropna().tolist()


@pytest.mark.parametrize(("step_at", "head", "measure"), [(5, 6, "Induction"), (-1, 0, "Previous token")])
def test_a_saved_step_is_the_one_that_is_drawn(looking, step_at, head, measure):
    step = recorded_history().kept_steps[step_at]
    looking.put(train_step=str(step), train_head=head, train_measure=measure)
    looking.open_tab("Train")
    found = executed(looking, "train-step-code")
    table = looking.shown("train-candidates")[-1]
    shown = [(f"<code>{token}</code>", chance(probability)) for token, probability in found["candidates"]]
    assert len(shown) == table.count("<code>") > 0
    assert all(token in table and probability in table for token, probability in shown)
    assert list(found["deviation"]) == drawn(looking, "train-deviation")["data"][-1]["y"]
    field = unescape(looking.shown("train-field")[-1])
    shares = set(re.findall(r"block (\d+), head (\d+): [a-z ]+ ([<>]? ?[\d.]+ %)", field))
    assert shares == {
        (str(block), str(number), percent(value))
        for block, row in enumerate(found["scores"])
        for number, value in enumerate(row)
    }
    square = numbers(drawn(looking, "train-map")["data"][0]["z"]).reshape(2 * [len(found["attention"])])
    for i, row in enumerate(found["attention"]):
        assert square[i, : i + 1].tolist() == pytest.approx(row)

"""The Train tab shows the recorded training by its own numbers, and a saved step as it was kept."""

import csv
import io
import json
from math import exp, log

import pytest

from gpt.library import Library
from gpt.training.training_history import recorded_history
from gpt.ui.common.head_field import share_style
from gpt.ui.train import figures, words
from tests.ui.visitor import Visitor


@pytest.fixture(scope="module")
def arrived(uneven_library: Library) -> Visitor:
    visitor = Visitor(uneven_library, tab="train")
    visitor.open_tab("Train")
    return visitor


def figure_of(visitor: Visitor, elem_id: str) -> dict:
    return json.loads(visitor.shown(elem_id)[-1].plot)


def test_the_losses_are_those_of_the_log_with_lines_to_compare(arrived):
    arrived.fire("train-over", "input")
    history, figure = recorded_history(), figure_of(arrived, "train-loss")
    trained, held_out = figure["data"]
    assert held_out["y"] == [point["heldout_loss"] for point in history.points]
    assert len(trained["y"]) == len(history.records) - 1
    drawn = [shape["y0"] for shape in figure["layout"]["shapes"]]
    assert drawn == [history.even_loss, history.about["bigram_loss"], history.about["floor"]]
    assert f"step {history.steps_done:,} of {history.steps_planned:,}" in arrived.shown("train-said")[-1]


def test_the_curves_run_over_tokens_too(arrived):
    arrived.put(train_over=figures.TOKENS)
    arrived.fire("train-over", "input")
    last = recorded_history().records[-1]
    assert figure_of(arrived, "train-loss")["data"][1]["x"][-1] == last["tokens_seen"]
    arrived.put(train_over=figures.STEPS)


def test_a_saved_step_shows_its_candidates_its_deviation_its_maps_and_its_scores(arrived):
    history = recorded_history()
    step = history.kept_steps[5]
    look = history.look(step)
    arrived.put(train_step=str(step), train_head=5, train_measure="Induction")
    arrived.fire("train-step", "input")
    table = arrived.shown("train-candidates")[-1]
    assert all(candidate.token in table for candidate in look.candidates)
    lines = figure_of(arrived, "train-deviation")["data"]
    assert len(lines) == len(history.kept_steps)
    assert lines[0]["y"] == pytest.approx(history.look(0).deviation)
    assert lines[-1]["name"] == f"step {step}"
    assert lines[-1]["y"] == list(look.deviation)
    n_heads = len(look.maps[0])
    value = arrived.shown("train-maps")[-1]
    assert (value["blocks"], value["heads"], value["selected"]) == (len(look.maps), n_heads, 5)
    assert f"Block {5 // n_heads}, head {5 % n_heads} after {step}" in arrived.shown("train-map-said")[-1]
    assert f"block {5 // n_heads}, head {5 % n_heads}: induction" in arrived.shown("train-field")[-1]
    shares = [value for row in look.scores["induction"] for value in row]
    styles = [share_style(share / max(shares)) for share in shares]  # as the legend has it
    assert len(set(styles)) > 2
    assert all(style in arrived.shown("train-field")[-1] for style in styles)


def test_a_loss_is_told_as_the_tokens_among_which_a_reader_is_as_unsure():
    history = recorded_history()
    told = words.meanings(history, history.steps_done)
    assert "50,257 tokens" in told
    assert f"{exp(history.points[-1]['heldout_loss']):.1f} tokens" in told
    assert words.tokens(log(1.784)) == "1.8 tokens"
    assert words.tokens(812.3) == "e^812 tokens"


def test_the_sample_is_that_of_the_nearest_point_and_all_of_them_are_there():
    history = recorded_history()
    html = words.sample(history, 1)
    assert html.startswith('<p class="train-sample"><span class="section">Step 0,')
    assert html.count("<li>") == len(history.points)
    shown = words.sample(history, history.steps_done)
    last = history.points[-1]
    assert f"sentences of the grammar: {last['accepted']} of {last['sentences']}" in shown


def test_the_measurements_are_saved(arrived):
    file = arrived.saved("train-csv")
    rows = list(csv.DictReader(io.StringIO(file["text"].removeprefix("\ufeff"))))
    history = recorded_history()
    assert file["name"].startswith("train-measurements_")
    assert len(rows) == len(history.records)
    assert float(rows[-1]["heldout_loss"]) == history.points[-1]["heldout_loss"]
    assert rows[1]["gradient_norm"] == str(history.records[1]["gradient_norm"])


def test_a_model_that_ended_no_sentence_has_none_accepted():
    assert words.accepted_share({"accepted": 0, "sentences": 0}) == 0
    assert words.accepted_share({"accepted": 3, "sentences": 4}) == 0.75
    assert words.accepted_share({}) is None

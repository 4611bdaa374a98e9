"""What the LayerNorm tab says and draws, against the trace it is drawn from."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpt.chapter.without_norms import without_norms
from gpt.generation import Settings
from gpt.model import LayerNorm
from gpt.runs import Run
from gpt.tracing import trace
from gpt.ui.common import traced_run as traces
from gpt.ui.common.recent_results import RecentResults
from gpt.ui.common.traced_strip import traced_strip, traced_text
from gpt.ui.layernorm import chapter_example as example
from gpt.ui.layernorm.figures import beyond, shared_limits
from gpt.ui.layernorm.views import VIEWS, Look

IDS = (6109, 3626, 6100, 345, 318, 262)


@pytest.fixture
def library(small_model, monkeypatch):
    monkeypatch.setattr(traces, "_recent", RecentResults(traces._MOST_BYTES, traces._bytes))
    return SimpleNamespace(get=lambda _: SimpleNamespace(model=small_model))


@pytest.fixture
def look(library):
    def looked_at(token: int = 3, block: int = 1, name: str = "norm2", ids: tuple = IDS) -> Look:
        run = Run("small", "", ids, Settings())
        return Look(traces.traced_run(library, run, token), block, name)

    return looked_at


def numbers(look: Look, view: str) -> tuple[list[str], list[list]]:
    header, rows = VIEWS[view].numbers(look)
    return list(header), [list(row) for row in rows]


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("norm", ["norm1", "norm2", "final_norm"])
def test_every_view_can_be_drawn_and_saved_for_every_norm(look, name, norm):
    opened = look(name=norm)
    view = VIEWS[name].show(opened)
    assert json.loads(view.figure.to_json())["data"]
    assert view.said
    header, rows = numbers(opened, name)
    assert rows and all(len(row) == len(header) for row in rows)


@pytest.mark.parametrize("name", sorted(VIEWS.keys() - {"Scale and shift"}))
def test_another_token_gives_another_figure(look, name):
    draw = VIEWS[name].show
    assert draw(look(token=1)).figure.to_json() != draw(look(token=2)).figure.to_json()


@pytest.mark.parametrize("name", sorted(VIEWS.keys() - {"Scale and shift", "Without norms"}))
def test_another_block_gives_another_figure(look, name):
    draw = VIEWS[name].show
    assert draw(look(block=1)).figure.to_json() != draw(look(block=2)).figure.to_json()


def test_the_saved_features_are_those_of_the_trace(look, small_model):
    norm = trace(small_model, IDS).blocks[1].norm2
    header, rows = numbers(look(token=3), "Distribution")
    assert header == ["feature", "before", "normalized", "after"]
    columns = np.array(rows).T
    for column, x in zip(columns[1:], (norm.before, norm.normalized, norm.after), strict=True):
        np.testing.assert_allclose(column, x[3], atol=1e-5)


def test_the_feature_map_is_saved_whole(look, small_model):
    norm = trace(small_model, IDS).blocks[1].norm2
    header, rows = numbers(look(), "Feature map")
    assert len(header) == 4 + small_model.config.emb_dim
    saved = np.array([row[4:] for row in rows])
    np.testing.assert_allclose(saved, torch.cat([norm.before, norm.after]), atol=1e-5)


def test_the_variance_per_token_is_explained_with_the_opened_tokens_numbers(look, small_model):
    variance = float(trace(small_model, IDS).blocks[1].norm2.before[3].var(correction=0))
    said = VIEWS["Per token"].show(look(token=3)).said
    assert f"{variance:.6g} / ({variance:.6g} + 0.00001) = {variance / (variance + LayerNorm.eps):.7f}"[:-1] in said


def test_a_feature_that_stands_out_is_named_with_its_values(look):
    opened = look(name="norm1")
    opened.norm.before[:, 17] += 50
    view = VIEWS["Feature map"].show(opened)
    assert "feature 17" in view.table
    assert f"{float(opened.norm.before[3, 17]):.4f}" in view.table
    assert "17" in [annotation.text for annotation in view.figure.layout.annotations]


def test_without_norms_compares_the_distributions_of_both_networks(look, small_model):
    view = VIEWS["Without norms"].show(look(token=3))
    ids = torch.tensor([IDS])
    for network, bars in ((without_norms(small_model), view.second.data[0]), (small_model, view.second.data[1])):
        probabilities = network(ids)[0, 3].softmax(0)
        assert max(bars.x) == pytest.approx(float(probabilities.max()), rel=1e-4)


def test_a_network_that_overflows_without_its_norms_is_said_to(look, small_model, monkeypatch):
    bare = trace(without_norms(small_model), IDS)
    bare.blocks[2].norm1.before[:] = torch.inf
    monkeypatch.setattr("gpt.ui.layernorm.views.traced_without_norms", lambda *_: bare)
    view = VIEWS["Without norms"].show(look())
    assert "block 2, norm1" in view.said and view.second is None


def test_a_long_text_is_opened_around_the_chosen_token_and_says_so(look):
    long = look(token=100, ids=tuple(range(150)))
    window = long.traced.window
    assert (window.start, window.stop, window.first_read) == (64, 128, 64)
    said = traced_text(long.traced)
    assert "Token 101 of 150" in said and "tokens 65 – 128 are shown, computed from token 65 on" in said
    strip = traced_strip(long.traced)
    kinds = re.findall('class="token ([^"]*)"', strip)
    assert [index for index, kind in enumerate(kinds) if "selected" in kind] == [100]
    outside = [index for index, kind in enumerate(kinds) if "outside" in kind]
    assert outside == [*range(64), *range(128, 150)]
    assert "shown, computed" not in traced_text(look().traced)


def test_the_same_text_is_traced_once_whatever_is_looked_at(look, monkeypatch):
    calls = []
    monkeypatch.setattr(traces, "trace_window", lambda *args: calls.append(args) or trace(*args[:2]))
    for token in range(4):
        for view in VIEWS.values():
            view.show(look(token=token))
    assert len(calls) == 2  # with its norms and without


def test_old_traces_make_room_for_new_ones(look, monkeypatch):
    monkeypatch.setattr(traces, "_recent", RecentResults(1, traces._bytes))
    look(ids=(1, 2, 3, 4))
    look(ids=(1, 2, 3, 5))
    assert [key[3] for key in traces._recent._kept] == [(1, 2, 3, 5)]


def test_far_outliers_do_not_stretch_the_shared_axis_and_are_told():
    x = np.linspace(-1, 1, 1000)
    x[123] = 500
    low, high = shared_limits([x, x / 2])
    assert -2 < low <= -1 and 1 <= high < 2
    assert beyond(x, low, high) == [123]
    assert shared_limits([np.ones(4)]) == (pytest.approx(0.98), pytest.approx(1.02))


def test_the_example_shows_the_chapters_figures_as_printed():
    # Section 4.2: outputs, mean and unbiased variance by hand; biased variance after the LayerNorm class.
    both = [example.normalized(example.OUTPUTS, example.BIASED, exponent) for exponent in (-5, None)]
    table = example.numbers_table(*both)
    for figure in ("0.2260", "0.3470", "0.2216", "0.5198", "0.1324", "0.2170", "0.0231", "0.0398", "0.9995", "0.9997"):
        assert f"<td>{figure}</td>" in table


def test_the_example_shows_its_rows_without_eps_beside_those_with_it():
    # Section 4.2, by hand: unbiased variance and no eps.
    both = [example.normalized(example.OUTPUTS, example.UNBIASED, exponent) for exponent in (-5, None)]
    without = example.numbers_table(*both).partition("without eps")[2]
    for figure in ("0.6159", "1.4126", "-0.8719", "0.5872", "-0.0189", "0.1121", "-1.0876", "1.5173", "0.5647"):
        assert f"<td>{figure}</td>" in without
    assert without.count("<td>1.0000</td>") == 2


def test_a_larger_eps_leaves_less_variance():
    results = {exponent: example.normalized(example.INPUTS, example.UNBIASED, exponent) for exponent in (-8, -5, 0)}
    said = [example.sentence(result, exponent, unbiased=True) for exponent, result in results.items()]
    left = [float(text.split(") = ")[1].split(". ")[0]) for text in said]
    assert left[0] > left[1] > left[2]

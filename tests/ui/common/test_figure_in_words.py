"""Sentences for figures, against the numbers that were drawn."""

import numpy as np
import pytest

from gpt.ui.attribution.figures import measures, patch_grid
from gpt.ui.common.attention_figure import attention_map
from gpt.ui.common.figure_in_words import figure_in_words
from gpt.ui.common.figure_template import add_token_lines, figure
from gpt.ui.inside.figures import stream_map
from gpt.ui.layernorm.figures import example, what_if_next


def test_few_values_are_all_said_as_on_hover():
    said = figure_in_words(what_if_next([" cat", " <b>"], [0.75, 0.0000002], [0.5, 0.25]))
    assert said == "without them: cat: 50.0 %; <b>: 25.0 %. with its LayerNorms: cat: 75.0 %; <b>: < 0.0001 %."


def test_of_many_values_the_ends_and_the_extremes_are_said():
    drawn = figure("step", "loss")
    drawn.add_scatter(x=list(range(10, 19)), y=[9, 8, 2, 7, 5, None, 11, 6, 4], name="held out", mode="lines",
                      hovertemplate="%{y:.2f} nats at step %{x:,}<extra>not said</extra>")  # fmt: skip
    assert figure_in_words(drawn) == (
        "loss, held out: 8 values; first 9.00 nats at step 10; last 4.00 nats at step 18; "
        "lowest 2.00 nats at step 12; highest 11.00 nats at step 16."
    )


def test_each_panel_is_named_by_its_title():
    said = figure_in_words(example(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[-1.0, 1.0], [-1.0, 1.0]])))
    assert said.startswith("first example, before: feature 1: 1.0000; feature 2: 2.0000.")
    assert "second example, normalized: feature 1: -1.0000; feature 2: 1.0000." in said


def test_a_map_names_its_cells_and_leaves_out_the_future():
    weights = np.tril([[1.0] * 4, [0.25, 0.75, 0, 0], [0.5, 0.125, 0.375, 0], [0.2, 0.3, 0.3, 0.2]])
    said = figure_in_words(attention_map(["a", "b", "<c>", "d"], 4, weights, 0))
    assert said == (
        "looking token: 10 values; lowest <c> (6) looks at b (5): 12.5 %; highest a (4) looks at a (4): 100 %."
    )


def test_a_field_of_logarithms_says_the_lengths():
    said = figure_in_words(stream_map(["emb", "att", "ff"], ["a", "b", "c"], 1, np.arange(1, 10.0).reshape(3, 3),
                                      np.full((2, 3), 0.5), 0))  # fmt: skip
    assert said.startswith("length of the stream: 9 values; lowest a (1), emb: 1; highest c (3), ff: 9.")
    assert "length of what each step adds: a (1), att: 0.5;" in said


def test_lines_of_the_other_tokens_are_one_series():
    drawn = figure("", "deviation")
    add_token_lines(drawn, np.arange(12.0).reshape(4, 3), list("wxyz"), list("abc"), 1, "%{y:.4g}", "other tokens")
    assert figure_in_words(drawn) == (
        "deviation, other tokens: 8 values in 2 lines; lowest a, w: 0; highest c, z: 11. "
        "deviation, selected token: b, w: 1; b, x: 4; b, y: 7; b, z: 10."
    )


@pytest.mark.parametrize("values", [[], [float("nan")], [None, float("inf")]])
def test_a_series_without_numbers_has_no_values(values):
    drawn = figure("", "loss")
    drawn.add_scatter(y=values, hovertemplate="%{y}")
    assert figure_in_words(drawn) == "loss: no values."


def test_what_only_guides_the_eye_is_left_out():
    drawn = figure()
    drawn.add_scatter(y=[1, 2], hoverinfo="skip")
    assert figure_in_words(drawn) == ""


def test_grids_and_measures_say_their_tokens():
    said = figure_in_words(patch_grid(["a", "b"], np.array([[0.0, 1.0]]), 1))
    assert "a (1), entering block 0: 0 % comes back" in said and "b (2), entering block 0: 100 % comes back" in said
    assert figure_in_words(measures(["a"], [("replaced", [0.5])] * 3)).count("replaced: a: 0.5000") >= 1


def test_of_several_values_at_a_point_each_has_its_place():
    drawn = figure("token", "divergence")
    drawn.add_bar(
        y=[0.5, 2], customdata=[[" a", 1.25], [" b", 3]], hovertemplate="%{customdata[0]}: %{customdata[1]:.2f} bits"
    )
    assert figure_in_words(drawn) == "divergence: a: 1.25 bits; b: 3.00 bits."

"""The views of heads, tokens and swapped states, against the library's numbers."""

import json
import re

import gradio as gr
import numpy as np
import pytest
import torch

from gpt import next_token_table
from gpt.attribution.head_scores import head_scores
from gpt.attribution.patching import activation_patching, estimated_patching, prompt_pair
from gpt.attribution.token_importance import correlation, gradient_times_input, occlusion
from gpt.generation import Settings
from gpt.library import Library
from gpt.model_reference import STORYTELLER
from gpt.runs import Run
from gpt.tokenizer import Tokenizer, tokenizer_of
from gpt.tracing import trace
from gpt.ui.attribution import head_scores_panel, importance_panel, patching_panel
from gpt.ui.attribution.figures import copies, measures, patch_grid
from gpt.ui.attribution.prediction import prediction_of
from gpt.ui.common.head_field import Cell, field_html, signed_style

IDS = (6109, 3626, 6100, 345, 318, 262, 11)


# Heads by what they do


def test_heads_are_ranked_by_the_chosen_score_and_those_below_the_least_are_left_out(model):
    scores = head_scores(model)
    html = head_scores_panel._ranking(scores, scores.previous, least=0.9)
    names = re.findall(r'<th scope="row">([\d.]+)</th>', html)
    flat = scores.previous.flatten()
    expected = [int(i) for i in flat.argsort(descending=True)[:10] if flat[i] >= 0.9 * flat.max()]
    assert names == [f"{i // 4}.{i % 4}" for i in expected] and 0 < len(names) < 12


def test_the_field_of_heads_marks_the_chosen_one_and_fades_what_is_below_the_least(model):
    scores = head_scores(model)
    measure = head_scores_panel.MEASURES["Entropy"]
    html = head_scores_panel._field(scores.entropy, measure, "Entropy", 0.95, head=6)
    coloured = re.findall(r'class="cell[^"]*scaled" data-index="(\d+)"', html)
    flat = scores.entropy.flatten()
    assert list(map(int, coloured)) == [i for i in range(12) if flat[i] >= 0.95 * flat.max()]
    assert re.findall(r'data-index="(\d+)"[^>]*aria-pressed="true"', html) == ["6"]
    assert f"block 1, head 2: entropy {float(scores.entropy[1, 2]):.2f} bits" in html


def test_the_sentence_holds_the_loss_of_each_copy_and_the_best_head(model):
    scores = head_scores(model)
    said = head_scores_panel._said(scores, scores.induction, head_scores_panel.MEASURES["Induction"], "Induction")
    assert f"{scores.first_copy_loss:.2f} nats a token in the first copy" in said
    assert f"{scores.second_copy_loss:.2f} in the second" in said
    best = int(scores.induction.argmax())
    assert f"head {best // 4}.{best % 4} has most" in said


def test_both_copies_are_lines_over_the_same_tokens():
    first, second = copies(["a", "b", "c"], [3.0, 2.0], [1.0, 0.5]).data
    assert list(first.x) == list(second.x) == [2, 3]
    assert list(first.y) == [3, 2] and list(second.y) == [1, 0.5] and list(first.text) == ["b", "c"]


def test_rows_for_a_file_hold_every_score_of_every_head(model):
    scores = head_scores(model)
    rows = head_scores_panel._rows(scores)
    assert len(rows) == 12 and rows[7][:3] == [1, 3, float(scores.induction[1, 3])]


# Which tokens mattered


def test_the_strip_is_coloured_as_far_as_tokens_were_replaced(library):
    prediction = prediction_of(library, Run("small", "", IDS, Settings()), 4)
    html = importance_panel._strip(prediction, [0.5, -1.0], 1.0)
    styles = re.findall(r'data-index="(\d)"[^>]*?style="([^"]*)"', html)
    assert [(int(index), style) for index, style in styles] == [(0, signed_style(0.5, 1)), (1, signed_style(-1, 1))]
    assert "log p falls by -1.000 nats when it is replaced" in html
    assert re.findall(r'class="token [^"]*selected" data-index="(\d)"', html) == ["4"]


def test_the_sentence_holds_the_correlation_of_each_measure_with_the_first(model, library):
    prediction = prediction_of(library, Run("small", "", IDS, Settings()), 6)
    falls = occlusion(model, prediction.ids, prediction.token_id)
    gradient = gradient_times_input(model, trace(model, prediction.ids), prediction.token_id)
    said = importance_panel._said(prediction, falls, gradient, torch.ones(6))
    assert f"gradient × input {correlation(falls, gradient):+.2f}; attention does not vary" in said
    assert f"by {float(falls.max()):.2f} nats on average" in said
    assert "2 of 6 tokens replaced so far" in importance_panel._said(prediction, falls[:2], gradient, gradient)


def test_three_measures_are_three_panels_over_the_same_tokens():
    fig = measures(["a", "b"], [("x", [1.0]), ("y", [2.0, 3.0]), ("z", [0.1, 0.2])])
    assert [list(bar.y) for bar in fig.data] == [[1], [2, 3], [0.1, 0.2]]


# Swap a state


@pytest.mark.parametrize("name", patching_panel.PAIRS)
def test_a_pair_has_prompts_of_the_same_length_and_answers_of_one_token(name):
    pair, encode = patching_panel.PAIRS[name], Tokenizer().encode
    assert len(encode(pair.taken_from)) == len(encode(pair.put_into))
    assert len(encode(pair.token)) == len(encode(pair.rival)) == 1 and pair.token != pair.rival
    assert pair.taken_from != pair.put_into


def test_rows_that_are_not_exact_yet_are_estimated(model, library):
    question = ("small", "The king said that", "The queen said that", " he", " she")
    pair = patching_panel._read(library, question)
    exact = activation_patching(model, pair.traced_from.ids, pair.traced_into.ids, 339, 673)
    shares = patching_panel._with_estimate(pair, exact[:1])
    assert shares[0].equal(exact[0]) and shares[1:].equal(estimated_patching(pair)[1:])
    assert patching_panel._labels(pair) == ["The", "·king → ·queen", "·said", "·that"]
    said = patching_panel._said(pair, "small", patching_panel._estimate(pair, 1))
    assert f"is {pair.difference_from:+.2f} after the first prompt" in said and "Rows 1 to 2 are an estimate" in said
    assert "Row 2 is an estimate" in patching_panel._estimate(pair, 2)
    assert patching_panel._estimate(pair, 3) == ""


def test_a_figure_with_estimates_says_which_they_are_also_where_it_is_saved(library):
    with gr.Blocks():
        made = patching_panel._lay_out()
    question = ("small", "The king said that", "The queen said that", " he", " she")
    pair = patching_panel._read(library, question)
    rows = list(activation_patching(pair.model, pair.traced_from.ids, pair.traced_into.ids, 339, 673))
    for n_exact in (1, 3):
        fig = json.loads(patching_panel._drawn(made, question, pair, rows[:n_exact])[made.figure].plot)
        told = [["as an estimate" in cell for cell in row] for row in fig["data"][0]["customdata"]]
        assert told == [[row >= n_exact] * 4 for row in range(3)]
        assert ("an estimate" in json.dumps(fig["layout"]["meta"])) == (n_exact < 3)
        assert [shape["y0"] for shape in fig["layout"].get("shapes", [])] == ([0.5] if n_exact == 1 else [])


@pytest.mark.parametrize("name", patching_panel._STORIES)
def test_the_bundled_model_can_do_its_pairs(name):
    model = Library(STORYTELLER).get().model
    pair, reader = patching_panel._STORIES[name], tokenizer_of(model)
    for prompt, answer in ((pair.taken_from, pair.token), (pair.put_into, pair.rival)):
        (likeliest,) = next_token_table(model, reader.encode(prompt), n=1).tokens
        assert reader.decode([likeliest.token_id]) == answer


def test_prompts_that_are_too_long_or_of_several_tokens_are_refused(library):
    with pytest.raises(ValueError, match="more than 128 tokens"):
        patching_panel._read(library, ("small", "a " * 200, "b", " he", " she"))
    with pytest.raises(ValueError, match="is 2 tokens"):
        patching_panel._read(library, ("small", "The king", "The queen", " king boy", " she"))
    with pytest.raises(ValueError, match="same number of tokens"):
        patching_panel._read(library, ("small", "The king said", "The queen", " he", " she"))


def test_the_grid_holds_every_share(model):
    pair = prompt_pair(model, [1, 2, 3], [1, 4, 3], 5, 6)
    shares = estimated_patching(pair).numpy()
    heat = patch_grid(["a", "b", "b"], shares, 3).data[0]
    np.testing.assert_array_equal(heat.z, shares)
    assert len(set(heat.x)) == 3


# The field of buttons


def test_a_field_numbers_its_cells_row_by_row_and_shows_markup_as_text():
    html = field_html([[Cell("<a>"), Cell("b")], [Cell("c", chosen=True), Cell("d", text="&")]], ["0", "1"], "heads")
    assert re.findall(r'data-index="(\d)"', html) == ["0", "1", "2", "3"] and 'data-columns="2"' in html
    assert "&lt;a&gt;" in html and "<a>" not in html and ">&amp;</button>" in html
    assert re.findall(r'data-index="(\d)"[^>]*aria-pressed="true"', html) == ["2"]


def test_signed_colours_are_opposite_around_0_and_none_at_it():
    assert signed_style(0.5, 1).endswith("0.375)") and signed_style(-0.5, 1).endswith("0.375)")
    assert signed_style(0.5, 1) != signed_style(-0.5, 1)
    assert signed_style(0, 1).endswith("0.000)") and signed_style(0, 0).endswith("0.000)")

"""The few numbers and the small picture of a tensor."""

import math

import pytest
import torch

from gpt.recording.attention_scores import head_scores
from gpt.recording.recorder import record
from gpt.recording.tensor_summary import COLUMNS, ROWS, by_token, small_picture, summarize

IDS = (6109, 3626, 6100, 345, 318, 262)


def test_the_numbers_are_those_of_the_token():
    x = torch.randn(1, 5, 7)
    summary = summarize(x, 3, 0)
    assert summary.shape == (1, 5, 7) and summary.n_numbers == 7
    assert summary.mean == pytest.approx(float(x[0, 3].mean()), abs=1e-6)
    assert summary.deviation == pytest.approx(float(x[0, 3].std(correction=0)), rel=1e-5)
    assert summary.length == pytest.approx(float(x[0, 3].norm()), rel=1e-5)
    assert summary.row == 3


def test_a_tensor_with_heads_shows_the_head_that_was_chosen():
    x = torch.randn(1, 4, 5, 6)
    assert torch.equal(by_token(x, 2), x[0, 2])
    assert by_token(torch.tensor([[5, 6, 7]]), 0).tolist() == [[5], [6], [7]]
    assert by_token(torch.arange(3), 0).tolist() == [[0], [1], [2]]


def test_what_is_infinite_is_counted_and_left_out():
    row = torch.tensor([[1.0, 3.0, -math.inf, -math.inf]])
    summary = summarize(row, 0, 0)
    assert (summary.mean, summary.deviation, summary.n_infinite) == (2.0, 1.0, 2)
    assert summary.picture[0, 2:].tolist() == [0, 0]


def test_a_picture_keeps_the_sign_of_the_number_farthest_from_zero():
    table = torch.zeros(2 * ROWS, 2 * COLUMNS)
    table[0, 0], table[1, 1], table[-1, -1] = 1.0, -4.0, 4.0
    picture = small_picture(table)
    assert picture.shape == (ROWS, COLUMNS)
    assert picture[0, 0] < 0 < picture[-1, -1]
    assert float(picture.abs().max()) <= 1


def test_the_row_is_the_tokens_also_where_rows_stand_for_several():
    assert summarize(torch.randn(1, 4 * ROWS, 3), 4 * ROWS - 1, 0).row == ROWS - 1
    assert summarize(torch.randn(1, 4 * ROWS, 3), 5, 0).row == 1


def test_a_head_is_followed_from_two_vectors_to_a_weight(small_model):
    divisor = small_model.trf_blocks[1].att.divisor
    scores = head_scores(small_model, record(small_model, IDS, 1), 2)
    i, j = 4, 2
    product = float((scores.queries[i] * scores.keys[j]).sum())
    assert float(scores.products[i, j]) == pytest.approx(product, rel=1e-4)
    assert float(scores.scaled[i, j]) == pytest.approx(product / divisor, rel=1e-4)
    assert float(scores.masked[i, j + 3]) == -math.inf
    exps = [math.exp(float(score)) for score in scores.masked[i]]
    assert float(scores.weights[i, j]) == pytest.approx(exps[j] / sum(exps), rel=1e-4)
    with pytest.raises(ValueError, match="heads run from 0 to 3"):
        head_scores(small_model, record(small_model, IDS, 1), 4)

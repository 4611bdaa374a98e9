"""The loss of bigrams is what counting by hand gives, and learns no more than neighbours."""

from collections import Counter
from itertools import pairwise
from math import log

import pytest
import torch

from gpt.tokenizer import VOCAB_SIZE, Tokenizer
from gpt.training.bigrams import bigram_loss
from gpt.training.stories import ENTROPY_PER_TOKEN, PATH
from gpt.training.training_texts import divide, read_ids

TRAIN = [5, 7, 5, 7, 5, 7, 3, 5, 7, 9, 5, 7, 7, 9, 3]
HELD_OUT = [5, 7, 9, 5, 3, 11, 5]


def by_hand(weight: float, before: int, token: int, left_out: int = 0) -> float:
    pairs, firsts = Counter(pairwise(TRAIN)), Counter(TRAIN[:-1])
    by_token = (TRAIN.count(token) - left_out + 1 / VOCAB_SIZE) / (len(TRAIN) - left_out + 1)
    by_pair = (pairs[before, token] - left_out) / max(1, firsts[before] - left_out)
    return weight * by_pair + (1 - weight) * by_token


def test_the_loss_is_that_of_counting_by_hand_with_the_weight_that_suits_the_training_text():
    def likelihood(weight: float) -> float:
        return sum(log(by_hand(weight, *pair, left_out=1)) for pair in pairwise(TRAIN))

    weight = max((percent / 100 for percent in range(1, 100)), key=likelihood)
    assert 0.01 < weight < 0.99
    pairs = list(pairwise(HELD_OUT))
    for n_scored in (6, 2):
        expected = -sum(log(by_hand(weight, *pair)) for pair in pairs[-n_scored:]) / n_scored
        assert bigram_loss(torch.tensor(TRAIN), torch.tensor(HELD_OUT), n_scored, VOCAB_SIZE) == pytest.approx(expected)


def test_the_bundled_text_has_much_that_neighbours_do_not_tell():
    train, held_out = divide(read_ids(PATH, Tokenizer()), 128)
    assert bigram_loss(train, held_out, len(held_out) - 1, VOCAB_SIZE) > 3 * ENTROPY_PER_TOKEN

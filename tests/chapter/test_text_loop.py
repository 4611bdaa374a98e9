"""Section 4.7, turn by turn."""

import pytest
import torch

from gpt.chapter.text_loop import slow_loop
from gpt.config import GPTConfig
from gpt.generation import generate
from gpt.model import GPTModel

IDS = [3, 1, 4, 1, 5]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(123)
    return GPTModel(GPTConfig(vocab_size=97, context_length=8, emb_dim=32, n_heads=4, n_layers=3)).eval()


def test_slow_loop_writes_the_text_of_section_4_7():
    torch.manual_seed(123)
    untrained = GPTModel(GPTConfig()).eval()
    steps = list(slow_loop(untrained, [15496, 11, 314, 716], 6))
    # Printed in section 4.7.
    assert [step.picked for step in steps] == [27018, 24086, 47843, 30961, 42348, 7267]
    assert [step.logits_shape for step in steps] == [(1, t, 50257) for t in range(4, 10)]


def test_slow_loop_equals_greedy_generation_past_the_context_length(model):
    steps = list(slow_loop(model, IDS, 8))
    fast = [step.token_id for step in generate(model, IDS, 8, temperature=0)]
    assert [step.picked for step in steps] == fast
    assert steps[-1].window == steps[-1].ids[-8:]
    assert steps[-1].appended == (*IDS, *fast)


def test_slow_loop_shows_the_softmax_it_picks_from(model):
    (step,) = slow_loop(model, IDS, 1)
    with torch.no_grad():
        probabilities = model(torch.tensor([IDS]))[0, -1].softmax(0)
    assert [row.token_id for row in step.table.tokens] == probabilities.topk(5).indices.tolist()
    assert [row.probability for row in step.table.tokens] == pytest.approx(probabilities.topk(5).values.tolist())


def test_slow_loop_refuses_ids_before_the_first_turn(model):
    with pytest.raises(ValueError, match="not a token"):
        slow_loop(model, [97], 1)

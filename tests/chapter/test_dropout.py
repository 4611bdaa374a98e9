"""Exercise 4.3: three dropout rates, one a place."""

import pytest
import torch

from gpt.chapter.dropout import PLACES, dropout_passes
from gpt.config import DropRates, GPTConfig
from gpt.model import GPTModel
from gpt.seeding import seeded

IDS = (3, 1, 4, 1, 5, 9)


@pytest.fixture(scope="module")
def model():
    with seeded(123):
        return GPTModel(GPTConfig(vocab_size=97, context_length=8, emb_dim=96, n_heads=4, n_layers=3)).eval()


@pytest.mark.parametrize("only", range(3))
def test_each_rate_acts_at_its_own_place_only(model, only):
    rates = DropRates(*(0.5 if place == only else 0.0 for place in range(3)))
    _, passed = dropout_passes(model, IDS, rates, [1])
    shares = [each.zeroed / each.numbers for each in passed.dropped]
    assert [each.place for each in passed.dropped] == list(PLACES)
    assert shares[only] == pytest.approx(0.5, abs=0.1)
    assert [share for place, share in enumerate(shares) if place != only] == [0, 0]


def test_every_number_that_can_be_dropped_is_counted(model):
    _, passed = dropout_passes(model, IDS, DropRates(0.1, 0.0, 0.1), [1])
    t, d, heads, layers = len(IDS), 96, 4, 3
    emb, _, shortcut = (each.numbers for each in passed.dropped)
    assert emb == t * d and shortcut <= 2 * layers * t * d
    _, passed = dropout_passes(model, IDS, DropRates(0.0, 0.1, 0.0), [1])
    assert passed.dropped[1].numbers == layers * heads * t * (t + 1) // 2


def test_a_pass_is_that_of_a_model_made_with_these_rates(model):
    rates = {"drop_rate_emb": 0.3, "drop_rate_attn": 0.2, "drop_rate_shortcut": 0.1}
    with seeded(123):
        made = GPTModel(GPTConfig(**{**vars(model.config), **rates}))
    with seeded(7), torch.no_grad():
        logits = made(torch.tensor([IDS]))[0, -1]
    plain, passed = dropout_passes(model, IDS, DropRates(0.3, 0.2, 0.1), [7])
    assert [row.token_id for row in passed.tokens] == logits.topk(3).indices.tolist()
    assert passed.tokens[0].logit == pytest.approx(float(logits.max()), rel=1e-4)
    with torch.no_grad():
        assert plain.tokens[0].logit == pytest.approx(float(model(torch.tensor([IDS]))[0, -1].max()), rel=1e-4)
    assert not model.training and model.drop_emb.p == 0.1 and not model.drop_emb._forward_hooks


def test_a_rate_of_1_is_refused(model):
    with pytest.raises(ValueError, match="drop_rate_attn is 1"):
        dropout_passes(model, IDS, DropRates(0.1, 1.0, 0.1), [1])

"""The parts of a logit sum to it, whatever the model's shape, and none of them is what was left over."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt.attribution.logit_attribution import account, direct_logit_attribution, feed_forward_account
from gpt.cache import KVCache
from gpt.files.weights import load_model, save_model
from gpt.tracing import trace
from tests.attribution.seeded import CASE, seeded_model
from tests.attribution.shapes import models_and_ids

IDS = list(CASE.ids)


@given(models_and_ids(), st.integers(0, 2), st.sampled_from([None, 1, 2]))
def test_the_parts_of_a_model_of_any_shape_sum_to_the_logit_difference(drawn, token_id, step):
    model, (ids,) = drawn
    rival_id = None if step is None else (token_id + step) % 3
    found = direct_logit_attribution(model, ids, token_id, rival_id)
    logits = model(torch.tensor([ids]))[0, -1]
    against = logits.mean() if rival_id is None else logits[rival_id]
    assert found.logit_difference == pytest.approx(float(logits[token_id] - against), abs=1e-5)
    assert sum(part.value for part in found.parts) == pytest.approx(found.logit_difference, abs=1e-4)


def test_every_component_has_its_row_in_the_order_in_which_the_model_adds_them():
    model = seeded_model()
    parts = direct_logit_attribution(model, IDS, 1, 2).parts
    block_rows = [("head", 0), ("head", 1), ("head", 2), ("head", 3), ("attention bias", None), ("feed-forward", None)]
    blocks = [(name, layer, head) for layer in range(3) for name, head in block_rows]
    assert [(part.component, part.block, part.head) for part in parts] == [
        ("token embedding", None, None),
        ("position embedding", None, None),
        *blocks,
        ("norm shift", None, None),
    ]


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_a_packed_model_shows_what_it_rounds_as_a_part_of_its_own(precision, tmp_path):
    save_model(seeded_model(), tmp_path)
    model = load_model(tmp_path, precision)
    found = direct_logit_attribution(model, IDS, CASE.token_id, CASE.rival_id)
    *parts, rounding = found.parts
    assert rounding.component == "rounding" and 0 < abs(rounding.value) < 0.05
    assert sum(part.value for part in found.parts) == pytest.approx(found.logit_difference, abs=1e-9)
    exact = direct_logit_attribution(seeded_model(), IDS, CASE.token_id, CASE.rival_id).parts
    assert max(abs(a.value - b.value) for a, b in zip(parts, exact, strict=True)) < 0.1


@pytest.mark.parametrize("block", [0, 2])
def test_the_neurons_of_a_feed_forward_and_its_bias_sum_to_its_part(block):
    model = seeded_model()
    traced = trace(model, IDS)
    found = account(model, traced, CASE.token_id, CASE.rival_id)
    neurons = feed_forward_account(model, traced, found, block)
    (part,) = (part for part in found.parts if part.component == "feed-forward" and part.block == block)
    assert float(neurons.values.sum()) + neurons.bias == pytest.approx(part.value, abs=1e-5)
    assert abs(neurons.bias) > 1e-3
    output = model.trf_blocks[block].ff.layers[2]
    one_by_one = (neurons.activations.double() * output.weight.double()) * found.direction[:, None]
    torch.testing.assert_close(neurons.values, one_by_one.sum(0))


def test_the_deviation_and_what_is_added_to_the_variance_are_the_models_own():
    model = seeded_model()
    model.final_norm.eps = 0.5
    found = direct_logit_attribution(model, IDS, 1, 2)
    before = trace(model, IDS).final_norm.before[-1].double()
    assert found.sigma == pytest.approx(float((before.var(correction=0) + 0.5).sqrt()))
    logits = model(torch.tensor([IDS]))[0, -1]
    assert sum(part.value for part in found.parts) == pytest.approx(float(logits[1] - logits[2]), abs=1e-4)


def test_a_text_continued_from_a_cache_has_the_same_account():
    model = seeded_model()
    cache = KVCache(model.config, len(IDS))
    model.hidden(torch.tensor([IDS[:6]]), cache)
    continued = account(model, trace(model, IDS[6:], cache), 1, 2).parts
    for mine, whole in zip(continued, direct_logit_attribution(model, IDS, 1, 2).parts, strict=True):
        assert mine.value == pytest.approx(whole.value, abs=1e-5)


def test_any_row_of_a_trace_has_the_account_of_the_text_up_to_it():
    model = seeded_model()
    traced = trace(model, IDS)
    found = account(model, traced, 1, 2, row=4)
    alone = direct_logit_attribution(model, IDS[:5], 1, 2)
    assert found.logit_difference == pytest.approx(alone.logit_difference, abs=1e-5)
    for mine, whole in zip(found.parts, alone.parts, strict=True):
        assert mine.value == pytest.approx(whole.value, abs=1e-5)
    neurons = feed_forward_account(model, traced, found, 1, row=4)
    (part,) = (part for part in found.parts if part.component == "feed-forward" and part.block == 1)
    assert float(neurons.values.sum()) + neurons.bias == pytest.approx(part.value, abs=1e-5)


def test_tokens_that_cannot_be_compared_are_refused():
    model = seeded_model()
    with pytest.raises(ValueError, match=r"101 is not a token of this model: its ids run from 0 to 100"):
        direct_logit_attribution(model, IDS, 101)
    with pytest.raises(ValueError, match=r"-1 is not a token"):
        direct_logit_attribution(model, IDS, 5, -1)
    with pytest.raises(ValueError, match=r"Token 5 is its own rival: choose another"):
        direct_logit_attribution(model, IDS, 5, 5)
    with pytest.raises(ValueError, match=r"25 tokens do not fit.*24"):
        direct_logit_attribution(model, [1] * 25, 5)

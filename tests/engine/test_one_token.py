"""One token after a cache's own is what the model's modules give, or the modules are left to it."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from gpt.cache import KVCache
from gpt.engine import packed_model
from gpt.engine.one_token import one_token_reader
from gpt.engine.precision import PRECISIONS, cache_dtype

from .tiny import CONFIG, IDS, a_model, by_modules, needs_library, read

pytestmark = needs_library


def token_by_token(model, ids):
    cache = KVCache(model.config, len(ids), dtype=cache_dtype(model))
    read_one = one_token_reader(model)
    return torch.cat([read_one(token_id, cache) for token_id in ids])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_token_by_token_up_to_the_whole_context_the_very_vectors_of_a_text(precision, qkv_bias):
    model = a_model(precision, qkv_bias=qkv_bias, context_length=len(IDS))
    found = token_by_token(model, IDS)
    assert torch.equal(found, read(model, IDS)[0])
    expected, _ = by_modules(model, IDS)
    assert (found - expected).norm() <= (1e-5 if precision == "float32" else 0.01) * expected.norm()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_cache_holds_what_the_modules_would_have_written(precision):
    model = a_model(precision)
    theirs, ours = (KVCache(model.config, 20, dtype=cache_dtype(model)) for _ in range(2))
    read_one = one_token_reader(model)
    with torch.inference_mode():
        for cache in (theirs, ours):
            model.hidden(torch.tensor([IDS[:-1]]), cache)
        model.hidden(torch.tensor([IDS[-1:]]), theirs)
    read_one(IDS[-1], ours)
    assert ours.length == theirs.length == len(IDS)
    tolerance = 1e-5 if precision == "float32" else 0.02
    for name in ("keys", "values"):
        found, expected = (getattr(cache, name)[:, :, :, : len(IDS)].float() for cache in (ours, theirs))
        assert (found - expected).norm() <= tolerance * expected.norm()
    with torch.inference_mode():  # and the modules can go on with it
        again = model.hidden(torch.tensor([[3]]), ours)
        expected = model.hidden(torch.tensor([[3]]), theirs)
    assert (again - expected).norm() <= tolerance * expected.norm()


def test_a_plain_model_that_wants_gradients_is_read_too():
    model = a_model().requires_grad_()
    found = one_token_reader(model)(5, KVCache(model.config, 4))
    torch.testing.assert_close(found, by_modules(model, [5])[0], atol=1e-5, rtol=1e-5)
    assert not found.requires_grad


def test_a_full_cache_of_two_takes_no_third_token():
    model = a_model()
    cache, read_one = KVCache(model.config, 2), one_token_reader(model)
    read_one(1, cache)
    read_one(2, cache)
    with pytest.raises(ValueError, match="3 tokens do not fit: there is room for 2"):
        read_one(3, cache)
    assert cache.length == 2


def test_no_position_past_the_context():
    model = a_model()
    cache = KVCache(model.config, 100)
    read_one = one_token_reader(model)
    for position in range(CONFIG.context_length):
        read_one(position, cache)
    with pytest.raises(ValueError, match="41 tokens do not fit: there is room for 40"):
        read_one(1, cache)


@pytest.mark.parametrize("length", [40, 41, 99])
def test_a_cache_that_claims_more_than_it_holds_is_refused(length):
    model = a_model()
    cache = KVCache(model.config, 20)
    cache.length = length
    with pytest.raises(ValueError, match=f"{length + 1} tokens do not fit: there is room for 20"):
        one_token_reader(model)(1, cache)


@pytest.mark.parametrize("token_id", [101, -1, 2**31, -(2**63), 1.0, True, "1", None])
def test_an_id_that_the_model_lacks_is_refused(token_id):
    model = a_model()
    cache = KVCache(model.config, 20)
    with pytest.raises(ValueError, match=f"{token_id!r} is not a token"):
        one_token_reader(model)(token_id, cache)
    assert cache.length == 0


def test_the_cache_of_another_model_is_refused():
    model = a_model()
    for changes in ({"n_layers": 1, "emb_dim": 30}, {"n_layers": 1}, {"n_heads": 6}, {}):
        cache = KVCache(replace(CONFIG, **changes), 20, batch_size=1 if changes else 2)
        cache.length = 3
        with pytest.raises(ValueError, match="this model continues one text in a cache of"):
            one_token_reader(model)(1, cache)
    cache = KVCache(CONFIG, 20)
    cache.length = -1
    with pytest.raises(ValueError, match="in a cache of"):
        one_token_reader(model)(1, cache)


def test_a_model_in_another_format_is_left_to_its_modules():
    assert one_token_reader(a_model().bfloat16()) is None


def test_without_a_compiler_there_is_no_reader(monkeypatch):
    monkeypatch.setattr(packed_model, "compiled_library", lambda: None)
    assert one_token_reader(a_model()) is None


def test_a_model_that_was_altered_or_is_watched_is_left_to_its_modules():
    model = a_model()
    altered = copy.deepcopy(model)
    altered.trf_blocks[1].norm1 = nn.Identity()
    assert one_token_reader(altered) is None
    watched = copy.deepcopy(model)
    watched.final_norm.register_forward_hook(lambda *_: None)
    assert one_token_reader(watched) is None

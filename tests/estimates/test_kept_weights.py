"""Bytes of loaded weights against the bytes that real models hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt import GPTConfig, GPTModel
from gpt.engine.compiled import compiled_library
from gpt.engine.packed_model import held_bytes, packed_model
from gpt.engine.precision import PRECISIONS, set_precision, weight_bytes
from gpt.estimates.kept_weights import kept_weights
from gpt.library import Library
from tests.estimates.test_budget import configs
from tests.estimates.test_formula import value_of

COMPILED = compiled_library() is not None


@settings(max_examples=25, deadline=None)
@given(configs, st.sampled_from(PRECISIONS))
def test_held_is_what_a_model_holds(config, precision):
    model = set_precision(GPTModel(config).eval().requires_grad_(False), precision)
    packed_model(model)
    kept = kept_weights(config, precision, COMPILED)
    assert kept.own.value == weight_bytes(model)
    assert kept.held.value == held_bytes(model)
    for row in (kept.own, kept.beside, kept.held):
        assert value_of(row.numbers) == row.value
        assert "(0 +" not in row.numbers  # what is not there is left out


def test_a_float32_model_of_bfloat16_numbers_is_packed_in_half_the_bytes():
    config = GPTConfig(vocab_size=300, context_length=16, emb_dim=48, n_heads=4, n_layers=2)
    model = GPTModel(config).bfloat16().float().eval().requires_grad_(False)
    packed_model(model)
    assert kept_weights(config, "float32", COMPILED, packed_size=2).held.value == held_bytes(model)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_it_is_what_the_library_says_of_the_bundled_model(precision):
    loaded = Library().get(f"storyteller:{precision}" if precision != "float32" else "storyteller")
    candidates = [kept_weights(loaded.model.config, precision, COMPILED, size) for size in (4, 2)]
    assert loaded.weight_bytes == candidates[0].own.value
    assert loaded.held_bytes in [kept.held.value for kept in candidates]


def test_gpt2_124m_takes_282_and_405_megabytes():
    released = GPTConfig(qkv_bias=True, tied_head=True)
    assert round(kept_weights(released, "int8", compiled=False).held.value / 1e6) == 282
    assert round(kept_weights(released, "bfloat16", compiled=False).held.value / 1e6) == 405


def test_without_the_engine_nothing_lies_beside():
    kept = kept_weights(GPTConfig(), "float32", compiled=False)
    assert kept.held.value == kept.own.value == 652_038_144

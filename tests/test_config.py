"""The configuration refuses what cannot make a model, and knows the chapter's sizes."""

from dataclasses import replace

import pytest

from gpt import GPTConfig
from gpt.config import PRESET_NAMES


def test_the_default_is_the_chapters_gpt_config_124m():
    # Chapter 4, section 4.1.
    assert GPTConfig() == GPTConfig(50257, 1024, 768, 12, 12, 0.1, False, False) == GPTConfig.preset("gpt2-124M")


def test_the_four_presets_have_heads_of_64_dimensions():
    assert {GPTConfig.preset(name).head_dim for name in PRESET_NAMES} == {64}
    assert len(PRESET_NAMES) == 4


@pytest.mark.parametrize("size", ["vocab_size", "context_length", "emb_dim", "n_heads", "n_layers"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, "3", 10**12, None])
def test_a_size_that_is_no_sensible_whole_number_is_refused_by_name(size, value):
    with pytest.raises(ValueError, match=size):
        replace(GPTConfig(), **{size: value})


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_dropout_rate_that_is_no_probability_is_refused(rate):
    with pytest.raises(ValueError, match="drop_rate"):
        GPTConfig(drop_rate=rate)


def test_heads_that_do_not_divide_the_width_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"emb_dim is 768 and n_heads is 10"):
        GPTConfig(n_heads=10)


def test_an_unknown_preset_is_refused_with_the_known_names():
    with pytest.raises(ValueError, match="gpt2-1558M"):
        GPTConfig.preset("gpt3")

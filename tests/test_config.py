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


@pytest.mark.parametrize("name", ["drop_rate", "drop_rate_emb", "drop_rate_attn", "drop_rate_shortcut"])
@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan"), "0.1", True])
def test_a_dropout_rate_that_is_no_probability_is_refused_by_name(name, rate):
    with pytest.raises(ValueError, match=f"^{name} is "):
        GPTConfig(**{name: rate})


def test_a_dropout_rate_that_is_not_given_is_the_common_one():
    assert GPTConfig().drop_rates == (0.1, 0.1, 0.1)
    assert GPTConfig(drop_rate=0.2, drop_rate_attn=0.0).drop_rates == (0.2, 0.0, 0.2)


@pytest.mark.parametrize(("name", "value"), [
    ("activation", "swish"),
    ("activation", None),
    ("norm_eps", 0.0),
    ("norm_eps", float("inf")),
    ("norm_eps", "1e-5"),
    ("inner_dim", 0),
    ("inner_dim", 3072.0),
    ("qkv_bias", 1),
    ("scale_by_head_dim", None),
    ("scale_by_layer", "yes"),
])  # fmt: skip
def test_a_setting_without_a_sense_is_refused_in_one_sentence_by_name(name, value):
    with pytest.raises(ValueError, match=rf"^{name} is [^.]*(\.\d[^.]*)?\.$"):
        GPTConfig(**{name: value})


def test_the_hidden_layer_is_four_times_as_wide_unless_said_otherwise():
    assert GPTConfig().inner_width == 3072
    assert GPTConfig(inner_dim=1000).inner_width == 1000


def test_heads_that_do_not_divide_the_width_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"emb_dim is 768 and n_heads is 10"):
        GPTConfig(n_heads=10)


def test_an_unknown_preset_is_refused_with_the_known_names():
    with pytest.raises(ValueError, match="gpt2-1558M"):
        GPTConfig.preset("gpt3")

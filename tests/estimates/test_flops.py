"""Operations against the published figure and against PyTorch's own counter."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from gpt import GPTConfig, GPTModel
from gpt.estimates.flops import count_flops, seconds
from gpt.estimates.workload import RECOMPUTE
from tests.estimates.test_budget import configs

SMALL = GPTConfig(vocab_size=101, context_length=32, emb_dim=24, n_heads=3, n_layers=2, drop_rate=0.1)

# torch counts its fused attention on a graphics card with these formulas, and has none for the one on a processor.
_FUSED = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_ON_CPU = {
    _FUSED: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda grad, q, k, v, *_, **__: sdpa_backward_flop_count(grad, q, k, v)
    ),
}


def counter() -> FlopCounterMode:
    return FlopCounterMode(display=False, custom_mapping=_ON_CPU)


def trained(config: GPTConfig, batch_size: int, seq_len: int, recompute: str) -> int:
    """What the counter counts in a forward and a backward pass."""
    model = GPTModel(config)
    for block in model.trf_blocks:
        if recompute == "full":
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)
        if recompute == "selective":
            block.att._mix = partial(checkpoint, block.att._mix, use_reentrant=False)
    with counter() as counted:
        model(torch.zeros(batch_size, seq_len, dtype=torch.int64)).sum().backward()
    return counted.get_total_flops()


def test_published_forward_of_gpt2_124m():
    # 124M, one sequence of 1,024 tokens, without biases: 2 per weight in a matrix product, 4 L s d per token.
    assert count_flops(GPTConfig.preset("gpt2-124M"), 1, 1024).forward == 291_648_307_200


@settings(max_examples=15, deadline=None)
@given(configs, st.integers(1, 3), st.integers(1, 30))
def test_forward_is_what_pytorch_counts(config, batch_size, seq_len):
    seq_len = min(seq_len, config.context_length)
    with counter() as counted:
        GPTModel(config)(torch.zeros(batch_size, seq_len, dtype=torch.int64))
    found = count_flops(config, batch_size, seq_len)
    assert found.forward == counted.get_total_flops()
    assert found.forward_per_token * batch_size * seq_len == found.forward
    assert sum(found.by_component.values()) == found.forward


@pytest.mark.parametrize("recompute", RECOMPUTE)
@pytest.mark.parametrize("attn", [0.0, 0.1])
@pytest.mark.parametrize("shortcut", [0.0, 0.1])
@pytest.mark.parametrize(("activation", "inner_dim"), [("gelu_tanh", None), ("relu", 7)])
def test_training_is_what_pytorch_counts(recompute, attn, shortcut, activation, inner_dim):
    config = replace(
        SMALL, drop_rate_attn=attn, drop_rate_shortcut=shortcut, activation=activation, inner_dim=inner_dim
    )
    counted = count_flops(config, 2, 20, recompute)
    assert counted.training == trained(config, 2, 20, recompute)
    assert counted.training_per_token * 40 == counted.training


def test_training_of_the_chapters_settings_costs_three_forwards():
    counted = count_flops(GPTConfig.preset("gpt2-124M"))
    assert counted.training == 3 * counted.forward


def test_seconds_at_a_stated_speed():
    assert seconds(3 * 10**12, 1.5e12) == 2.0
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="has to be a positive number"):
            seconds(1, wrong)

"""Operations against the published figure and against PyTorch's own counter."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from gpt import GPTConfig, GPTModel
from gpt.flops import count_flops, seconds

# With dropout the model multiplies attention out, which the counter can follow in both directions.
SMALL = GPTConfig(vocab_size=101, context_length=32, emb_dim=24, n_heads=3, n_layers=2, drop_rate=0.1)


def test_published_forward_of_gpt2_124m():
    # 124M, one sequence of 1,024 tokens, without biases: 2 per weight in a matrix product, 4 L s d per token.
    assert count_flops(GPTConfig.preset("gpt2-124M"), 1, 1024).forward == 291_648_307_200


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_forward_is_what_pytorch_counts(batch_size, tied):
    config = replace(SMALL, tied_head=tied)
    with FlopCounterMode(display=False) as counter:
        GPTModel(config)(torch.zeros(batch_size, 20, dtype=torch.int64))
    counted = count_flops(config, batch_size, 20)
    assert counted.forward == counter.get_total_flops()
    assert counted.forward_per_token * batch_size * 20 == counted.forward
    assert sum(counted.by_component.values()) == counted.forward


@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
def test_training_is_what_pytorch_counts(recompute):
    model = GPTModel(SMALL)
    for block in model.trf_blocks:
        if recompute == "full":
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)
        if recompute == "selective":
            block.att._mix = partial(checkpoint, block.att._mix, use_reentrant=False)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(2, 20, dtype=torch.int64)).sum().backward()
    counted = count_flops(SMALL, 2, 20, recompute)
    # A recomputation stops at the last tensor the backward pass needs, before the last product's result.
    assert counted.training == pytest.approx(counter.get_total_flops(), rel=0.1 if recompute != "none" else 0)
    assert counted.training_per_token * 40 == counted.training


def test_seconds_at_a_stated_speed():
    assert seconds(3 * 10**12, 1.5e12) == 2.0
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="has to be a positive number"):
            seconds(1, wrong)

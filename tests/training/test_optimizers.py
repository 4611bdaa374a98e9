"""Muon turns gradients into orthogonal steps; every parameter has exactly one optimizer."""

import pytest
import torch
from torch import nn

from gpt.config import GPTConfig
from gpt.model import GPTModel
from gpt.training.optimizers import OPTIMIZERS, Muon, make_optimizers, orthogonalize, set_step_size


def test_orthogonalized_matrices_keep_their_directions_and_lose_their_singular_values():
    torch.manual_seed(0)
    for shape in ((32, 32), (32, 128), (128, 32)):
        matrix = torch.randn(shape)
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        (moved,) = orthogonalize(matrix[None]).float()
        seen = (left.T @ moved @ right.T).diagonal()
        # Jordan's quintic ends between about 0.7 and 1.2 for all but the smallest singular values.
        large = values > values.max() / 50
        assert large.sum() > 28
        assert ((seen > 0.6) & (seen < 1.3))[large].all()


def test_the_parts_of_w_qkv_are_orthogonalized_one_by_one():
    torch.manual_seed(0)
    parts = [nn.Parameter(torch.randn(16, 16)) for _ in range(3)]
    fused = nn.Parameter(torch.cat([part.detach() for part in parts]))
    gradients = [torch.randn(16, 16) * size for size in (1.0, 10.0, 0.1)]
    for part, gradient in zip(parts, gradients, strict=True):
        part.grad = gradient
    fused.grad = torch.cat(gradients)
    Muon(parts, lr=0.1).step()
    Muon([{"params": [fused], "stacked": 3}], lr=0.1).step()
    torch.testing.assert_close(fused, torch.cat(list(parts)))


def test_matrices_of_one_shape_step_as_they_would_alone():
    torch.manual_seed(0)
    together = [nn.Parameter(torch.randn(8, 24)) for _ in range(3)]
    alone = [nn.Parameter(matrix.detach().clone()) for matrix in together]
    optimizers = [Muon(together, lr=0.1, weight_decay=0.1)]
    optimizers += [Muon([matrix], lr=0.1, weight_decay=0.1) for matrix in alone]
    for _ in range(2):
        for one, other in zip(together, alone, strict=True):
            one.grad = torch.randn(8, 24)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(together, alone)


def test_a_step_has_the_size_of_an_adamw_step():
    """Liu et al. 2025, section 2.2: an AdamW update has a root mean square of 0.2 to 0.4."""
    torch.manual_seed(0)
    for shape in ((64, 64), (64, 256), (192, 64)):
        matrix = nn.Parameter(torch.zeros(shape))
        matrix.grad = torch.randn(shape)
        Muon([matrix], lr=1.0).step()
        assert 0.12 < matrix.square().mean().sqrt() < 0.4


# A feed-forward three times as wide looks like three matrices below one another, and is none.
MODEL = GPTModel(GPTConfig(64, 8, 16, 2, 2, qkv_bias=True, inner_dim=48))
NAMES = {id(parameter): name for name, parameter in MODEL.named_parameters()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_parameter_has_one_optimizer(name):
    groups = [group for optimizer in make_optimizers(MODEL, name) for group in optimizer.param_groups]
    assert sorted(NAMES[id(parameter)] for group in groups for parameter in group["params"]) == sorted(NAMES.values())


def test_only_block_matrices_have_muon_and_only_w_qkv_is_three_matrices():
    muon = make_optimizers(MODEL, "muon")[0]
    stacked = {
        NAMES[id(one)].split(".", 2)[2]: group["stacked"] for group in muon.param_groups for one in group["params"]
    }
    assert stacked == {
        "att.W_qkv.weight": 3,
        "att.out_proj.weight": 1,
        "ff.layers.0.weight": 1,
        "ff.layers.2.weight": 1,
    }


def test_rates_and_decay_reach_the_groups_that_have_them():
    muon, adamw = make_optimizers(MODEL, "muon")
    set_step_size([muon, adamw], rate=0.5, weight_decay=0.1)
    assert {(group["lr"], group["weight_decay"]) for group in muon.param_groups} == {(0.5, 0.1)}
    assert [(group["lr"], group["weight_decay"]) for group in adamw.param_groups] == [(0.25, 0.0)]
    (plain,) = make_optimizers(MODEL, "adamw")
    set_step_size([plain], rate=0.5, weight_decay=0.1)
    assert [(group["lr"], group["weight_decay"]) for group in plain.param_groups] == [(0.5, 0.1)]


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="no optimizer called 'sgd': choose one of muon, adamw"):
        make_optimizers(MODEL, "sgd")

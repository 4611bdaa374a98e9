"""Muon turns gradients into orthogonal steps; every parameter has exactly one optimizer."""

import torch
from torch import nn

from gpt.config import GPTConfig
from gpt.model import GPTModel
from gpt.optimizers import Muon, make_optimizers, orthogonalize


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
    Muon([fused], lr=0.1).step()
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


def test_each_parameter_has_one_optimizer_and_only_block_matrices_have_muon():
    model = GPTModel(GPTConfig(64, 8, 16, 2, 2, qkv_bias=True, tied_head=True))
    muon, adamw = (optimizer.param_groups[0]["params"] for optimizer in make_optimizers(model))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert sorted(names[id(parameter)] for parameter in [*muon, *adamw]) == sorted(names.values())
    assert {names[id(parameter)].split(".", 2)[2] for parameter in muon} == {
        "att.W_qkv.weight",
        "att.out_proj.weight",
        "ff.layers.0.weight",
        "ff.layers.2.weight",
    }

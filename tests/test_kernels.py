"""Every kernel that may be chosen computes what plain torch computes, whichever of them this machine has."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from gpt import kernels
from gpt.kernels import linear_float32, pack_bfloat16, pack_int8

INT8_KERNELS = [kernels._pack_fbgemm, kernels._pack_fbgemm_by_sign, kernels._pack_int_mm, kernels._pack_exact_sums]


def whole_numbers(rows: int, columns: int) -> torch.Tensor:
    return torch.randint(-127, 128, (rows, columns), dtype=torch.int8)


@pytest.mark.parametrize("shape", [(7,), (1, 7), (1, 1, 7), (3, 7), (2, 3, 7)])
@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("with_bias", [True, False])
def test_float32_equals_plain_torch_whichever_way_the_weight_lies(shape, turned, with_bias):
    weight = torch.randn(7, 5).t() if turned else torch.randn(5, 7)
    bias = torch.randn(5) if with_bias else None
    x = torch.randn(shape)
    for product in (linear_float32, kernels._onednn, kernels._by_parts if x.numel() == 7 else F.linear):
        torch.testing.assert_close(product(x, weight, bias), F.linear(x, weight, bias), atol=1e-5, rtol=1e-5)


def test_other_dtypes_take_the_plain_road():
    x, weight = torch.randn(1, 7, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    assert torch.equal(linear_float32(x, weight, None), F.linear(x, weight))


@pytest.mark.parametrize("pack", [kernels._pack_onednn, kernels._pack_plain])
def test_bfloat16_kernels_agree(pack):
    x, weight = torch.randn(3, 40).bfloat16(), torch.randn(20, 40).bfloat16()
    torch.testing.assert_close(pack(weight)(x).float(), x.float() @ weight.float().t(), atol=0.1, rtol=0.01)


@pytest.mark.parametrize("pack", INT8_KERNELS)
def test_int8_sums_are_exact(pack):
    """Against 64-bit whole numbers, for sums far beyond those that float32 counts exactly."""
    rows, weight = whole_numbers(3, 6400), whole_numbers(5, 6400)
    if pack is not kernels._pack_exact_sums:  # the others may overflow here, and are then not chosen
        rows, weight = rows // 2, weight // 2
    else:
        rows[0], weight[0], weight[1] = 127, 127, -127
    expected = (rows.long() @ weight.long().t()).float()
    torch.testing.assert_close(pack(weight, torch.ones(5))(rows.float() / 64, 1 / 64) * 64, expected, atol=0, rtol=1e-6)


def test_the_chosen_int8_kernel_does_not_overflow():
    rows, weight = torch.full((2, 3072), 127), torch.full((3, 3072), 127, dtype=torch.int8)
    weight[1] = -127
    rows[1, ::2] = -127
    expected = (rows @ weight.long().t()).float()
    found = kernels._int8_kernel()(weight, torch.ones(3))(rows.float(), 1.0)
    torch.testing.assert_close(found, expected, atol=0, rtol=1e-6)


@given(st.integers(1, 4), st.integers(2, 9), st.floats(1e-15, 1e15))
def test_int8_is_off_by_half_a_step_of_each_factor_at_most(n, k, size):
    x, weight = torch.randn(n, k) * size, torch.randn(3, k)
    half_x = x.abs().amax(-1, keepdim=True) / 254
    half_weight = weight.abs().amax(-1) / 254
    bound = (half_x * weight.abs().sum(-1) + x.abs().sum(-1, keepdim=True) * half_weight) + k * half_x * half_weight
    error = (pack_int8(weight)(x, None) - x @ weight.t()).abs()
    assert (error <= 1.001 * bound).all()


@pytest.mark.parametrize("pack", [pack_int8, pack_bfloat16])
@pytest.mark.parametrize("rows", [1, 2])
def test_zeros_give_the_bias(pack, rows):
    bias = torch.randn(5)
    assert torch.equal(pack(torch.randn(5, 7))(torch.zeros(rows, 7), bias), bias.expand(rows, 5))
    assert torch.equal(pack(torch.zeros(5, 7))(torch.randn(rows, 7), bias), bias.expand(rows, 5))


@pytest.mark.parametrize("pack", [pack_int8, pack_bfloat16])
@pytest.mark.parametrize("rows", [1, 2])
def test_numbers_that_are_not_finite_do_not_pass_for_finite_ones(pack, rows):
    x = torch.randn(rows, 7)
    x[0, 3] = torch.nan
    assert pack(torch.randn(5, 7))(x, None)[0].isnan().all()


def test_a_row_does_not_depend_on_the_rows_beside_it():
    product = pack_int8(torch.randn(20, 64))
    x, bias = torch.randn(3, 64), torch.randn(20)
    crowd = torch.cat([x, 1000 * torch.randn(4, 64)])
    assert torch.equal(product(crowd, bias)[:3], product(x, bias))
    torch.testing.assert_close(product(x[:1], bias), product(x, bias)[:1], atol=1e-5, rtol=1e-5)


def test_a_kernel_that_is_missing_or_wrong_is_not_chosen():
    def missing(_):
        raise AttributeError("no such operator")

    def wrong(x):
        return x + 1

    def plain(x):
        return x

    x = torch.randn(4)
    assert kernels._quickest([missing, wrong, plain], lambda kernel: lambda: kernel(x), tolerance=1e-5) is plain


def test_a_busy_moment_of_the_machine_does_not_decide(monkeypatch):
    def quick():
        return torch.zeros(1)

    def slow():
        return torch.zeros(1)

    timed = []

    def seconds(run):
        timed.append(run)
        busy = len(timed) <= 8
        return (1.0 if run is quick else 2.0) + 10.0 * busy

    monkeypatch.setattr(kernels, "_seconds", seconds)
    assert kernels._quickest([quick, slow], lambda kernel: kernel, tolerance=1e-5) is quick


def test_choosing_leaves_the_random_state_alone():
    kernels._float32_kernel.cache_clear()
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    linear_float32(torch.ones(2, 3), torch.ones(4, 3), None)
    assert torch.equal(torch.rand(1), expected)

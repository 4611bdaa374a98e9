"""Every kernel that may be chosen computes what plain torch computes, whichever of them this machine has."""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from gpt import kernels
from gpt.compiled import compiled_library
from gpt.kernels import linear_float32, linear_int8, to_int8, to_steps


def whole_numbers(rows: int, columns: int) -> torch.Tensor:
    return torch.randint(-127, 128, (rows, columns), dtype=torch.int8)


@pytest.fixture(scope="module")
def library():
    """What compiled kernels are made of."""
    return compiled_library() or pytest.skip("there is no C compiler")


@pytest.mark.parametrize("shape", [(7,), (1, 7), (1, 1, 7), (3, 7), (2, 3, 7)])
@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("with_bias", [True, False])
def test_float32_equals_plain_torch_whichever_way_the_weight_lies(shape, turned, with_bias):
    weight = torch.randn(7, 5).t() if turned else torch.randn(5, 7)
    bias = torch.randn(5) if with_bias else None
    x = torch.randn(shape)
    for product in (linear_float32, kernels._onednn, kernels._by_parts if x.numel() == 7 else F.linear):
        torch.testing.assert_close(product(x, weight, bias), F.linear(x, weight, bias), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 7), (3, 7), (2, 3, 7), (0, 7)])
@pytest.mark.parametrize("kind", ["rows", "turned", "gaps"])
def test_float32_tiles_equal_plain_torch(library, shape, kind):
    weight = {"rows": torch.randn(5, 7), "turned": torch.randn(7, 5).t(), "gaps": torch.randn(5, 14)[:, ::2]}[kind]
    x, bias = torch.randn(shape), torch.randn(5)
    found = kernels._float32_by_tiles(library, x, weight, bias)
    torch.testing.assert_close(found, F.linear(x, weight, bias), atol=1e-5, rtol=1e-5)


def test_other_dtypes_take_the_plain_road():
    x, weight = torch.randn(1, 7, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    assert torch.equal(linear_float32(x, weight, None), F.linear(x, weight))


@pytest.mark.parametrize("kernel", ["hardware", "float32", "tiles"])
@pytest.mark.parametrize("shape", [(40,), (3, 40), (2, 3, 40)])
def test_bfloat16_kernels_round_weights_and_inputs(kernel, shape, request):
    x, weight, bias = torch.randn(shape), torch.randn(20, 40).bfloat16(), torch.randn(20)
    expected = F.linear(x.bfloat16().double(), weight.double(), bias.double()).float()
    product = getattr(kernels, f"_bfloat16_by_{kernel}")
    if kernel == "tiles":
        product = partial(product, request.getfixturevalue("library"))
    torch.testing.assert_close(product(x, weight, bias), expected, atol=0.1, rtol=0.01)


@pytest.fixture(params=["compiled", "torch"])
def int8_kernel(request):
    """Both ways to multiply with int8 weights."""
    if request.param == "torch":
        return kernels._int8_by_float32
    return partial(kernels._int8_by_tiles, request.getfixturevalue("library"))


@pytest.mark.parametrize("shape", [(1, 8), (3, 8), (2, 3, 8), (3, 7), (13, 2), (25, 2 * 768 + 2)])
@pytest.mark.parametrize("out", [5, 2 * kernels._ROWS_AT_ONCE + 1])
@pytest.mark.parametrize("with_bias", [True, False])
def test_int8_takes_rounded_inputs_times_whole_numbers_times_their_scale(int8_kernel, shape, out, with_bias):
    x, weight, scale = torch.randn(shape), whole_numbers(out, shape[-1]), torch.rand(out)
    bias = torch.randn(out) if with_bias else None
    expected = F.linear(to_steps(x).double(), weight.double() * scale[:, None], bias.double() if with_bias else None)
    for found in (int8_kernel(x, weight, scale, bias), linear_int8(x, weight, scale, bias)):
        torch.testing.assert_close(found, expected.float(), atol=1e-6 * float(expected.abs().max()), rtol=1e-5)


def test_the_largest_of_all_int8_products_does_not_overflow(int8_kernel):
    n = 6400  # GPT-2 XL's feed-forward layer
    x, weight, scale = torch.ones(7, n), torch.full((3, n), 127, dtype=torch.int8), torch.ones(3)
    torch.testing.assert_close(int8_kernel(x, weight, scale, None), torch.full((7, 3), 127.0 * n))


def test_an_int8_row_is_the_same_beside_any_others(int8_kernel):
    x, weight, scale = torch.randn(20, 64), whole_numbers(30, 64), torch.rand(30)
    expected = int8_kernel(x, weight, scale, None)
    assert torch.equal(int8_kernel(torch.cat([1000 * x[:5], x[7:8], -x]), weight, scale, None)[5], expected[7])


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
def test_an_int8_row_with_a_number_that_is_not_finite_has_no_outputs(int8_kernel, number):
    x = torch.ones(3, 40)
    x[1, 7] = number
    found = int8_kernel(x, whole_numbers(5, 40), torch.ones(5), None)
    assert found[1].isnan().all()
    assert found[[0, 2]].isfinite().all()


@given(st.integers(1, 40), st.floats(1e-30, 1e30))
def test_rounded_inputs_are_off_by_half_a_step_at_most(n, size):
    x = torch.randn(n) * size
    rounded = to_steps(x)
    assert ((rounded.double() - x.double()).abs() <= 0.501 * x.abs().max().double() / kernels._STEPS).all()
    assert torch.equal(to_steps(torch.stack([x, x / 3]))[0], rounded)


@given(st.integers(1, 4), st.integers(2, 9), st.floats(1e-15, 1e15))
def test_int8_weights_are_off_by_half_a_step_at_most(rows, columns, size):
    weight = torch.randn(rows, columns) * size
    whole, scale = to_int8(weight)
    assert (whole.abs().amax(-1) == 127).all()
    error = (whole.double() * scale.double()[:, None] - weight.double()).abs()
    assert (error <= 0.5001 * scale[:, None]).all()


def test_zeros_stay_zeros_in_int8():
    whole, scale = to_int8(torch.zeros(3, 4))
    assert not whole.any()
    assert scale.isfinite().all()


def test_a_kernel_that_is_missing_or_wrong_is_not_chosen():
    def missing(_):
        raise AttributeError("no such operator")

    def wrong(x):
        return x + 1

    def plain(x):
        return x

    x = torch.randn(4)
    assert kernels._quickest([missing, wrong, plain], (x,), tolerance=1e-5) is plain


def test_a_busy_moment_of_the_machine_does_not_decide(monkeypatch):
    def quick():
        return torch.zeros(1)

    def slow():
        return torch.zeros(1)

    timed = []

    def seconds(kernel, _):
        timed.append(kernel)
        busy = len(timed) <= 8
        return (1.0 if kernel is quick else 2.0) + 10.0 * busy

    monkeypatch.setattr(kernels, "_seconds", seconds)
    assert kernels._quickest([quick, slow], (), tolerance=1e-5, rounds=20) is quick


def test_choosing_leaves_the_random_state_alone():
    kernels._float32_row_kernel.cache_clear()
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    linear_float32(torch.ones(1, 3), torch.ones(4, 3), None)
    assert torch.equal(torch.rand(1), expected)

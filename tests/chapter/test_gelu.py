"""Section 4.3: the three curves and their derivatives against their formulas."""

from math import erf, exp, pi, sqrt, tanh

import pytest
import torch

from gpt.chapter.gelu import activation_curves


@pytest.fixture(scope="module")
def curves():
    return activation_curves(-5.0, 5.0, 201)


def test_exact_gelu_is_x_times_the_normal_distribution(curves):
    for x, value, slope in zip(curves.x.tolist(), curves.exact.value, curves.exact.derivative, strict=True):
        below, density = (1 + erf(x / sqrt(2))) / 2, exp(-x * x / 2) / sqrt(2 * pi)
        assert float(value) == pytest.approx(x * below, abs=1e-14)
        assert float(slope) == pytest.approx(below + x * density, abs=1e-14)


def test_tanh_gelu_is_the_formula_of_section_4_3(curves):
    for x, value, slope in zip(curves.x.tolist(), curves.tanh.value, curves.tanh.derivative, strict=True):
        inner = tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))
        inner_slope = (1 - inner**2) * sqrt(2 / pi) * (1 + 3 * 0.044715 * x**2)
        assert float(value) == pytest.approx(x * (1 + inner) / 2, abs=1e-14)
        assert float(slope) == pytest.approx((1 + inner) / 2 + x * inner_slope / 2, abs=1e-14)


def test_relu_has_slope_0_or_1(curves):
    assert torch.equal(curves.relu.value, curves.x.clamp_min(0))
    assert torch.equal(curves.relu.derivative, (curves.x > 0).double())


def test_the_two_gelus_differ_by_less_than_a_thousandth(curves):
    largest = curves.difference.abs().max()
    assert torch.equal(curves.difference, curves.tanh.value - curves.exact.value)
    assert 1e-4 < largest < 1e-3


def test_curves_have_derivatives_when_gradients_are_off():
    with torch.no_grad():
        assert activation_curves(-1.0, 1.0, 3).relu.derivative.tolist() == [0.0, 0.0, 1.0]


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match="lower end"):
        activation_curves(2.0, 2.0)

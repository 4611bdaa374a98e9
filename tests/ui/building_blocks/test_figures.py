"""The figures of the Building blocks tab show the numbers they are given."""

import numpy as np
import pytest
import torch

from gpt.chapter.feed_forward import feed_forward_pass, histogram
from gpt.chapter.gelu import activation_curves
from gpt.tracing import trace
from gpt.ui.building_blocks.figures import (
    derivative_figure,
    difference_figure,
    gradient_figure,
    layers_figure,
    value_figure,
)


@pytest.fixture(scope="module")
def passed(small_model):
    return feed_forward_pass(small_model, trace(small_model, [6109, 3626, 6100]), 1).at(2)


@pytest.fixture(scope="module")
def curves():
    return activation_curves(-3, 3, 61)


def test_all_numbers_of_a_token_are_in_the_fields_in_order(passed):
    entering, inner, leaving = layers_figure(passed, columns=12).data
    assert entering.z.shape == leaving.z.shape == (4, 12)
    assert inner.z.shape == (16, 12)
    assert np.array_equal(inner.z.ravel(), passed.activations[0].numpy())
    assert np.array_equal(inner.text.ravel(), passed.preactivations[0].numpy())
    assert np.array_equal(inner.customdata.ravel(), np.arange(4 * 48))
    assert np.array_equal(entering.z.ravel(), passed.entering[0].numpy())


def test_a_width_that_does_not_fill_its_last_row_leaves_places_empty(passed):
    _, inner, _ = layers_figure(passed, columns=10).data
    assert inner.z.shape == (20, 10)
    assert np.array_equal(inner.z.ravel()[:192], passed.activations[0].numpy())
    assert np.isnan(inner.z.ravel()[192:]).all()


def test_field_colours_are_even_on_both_sides_of_0(passed):
    for field in layers_figure(passed, columns=12).data:
        assert field.zmax == -field.zmin > 0


def test_curves_lie_over_the_hill_of_the_models_own_numbers(curves, passed):
    spread = histogram(passed.preactivations, -3, 3, 60)
    hill, *lines = value_figure(curves, spread, block=1).data
    assert [line.name for line in lines] == ["ReLU", "GELU exact", "GELU tanh"]
    assert np.allclose(lines[2].y, curves.tanh.value)
    assert float(np.sum(hill.y) * 0.1) == pytest.approx(1, abs=1e-5)  # area: all numbers lie inside
    assert np.allclose(np.diff(hill.x), 0.1)


def test_slopes_and_difference_are_those_of_the_curves(curves):
    relu, exact, tanh = derivative_figure(curves).data
    assert np.allclose(relu.y, curves.relu.derivative)
    assert np.allclose(exact.y, curves.exact.derivative)
    assert np.allclose(tanh.y, curves.tanh.derivative)
    assert np.allclose(difference_figure(curves).data[0].y, curves.difference)


def test_gradients_stand_on_a_log_axis_numbered_from_the_first():
    drawn = gradient_figure("Block", 0, "norm", with_them=[1.0, 2.0], without=[1e-4, 1e-2])
    assert drawn.layout.yaxis.type == "log"
    assert [(line.name, list(line.x), list(line.y)) for line in drawn.data] == [
        ("with shortcuts", [0, 1], [1.0, 2.0]),
        ("without", [0, 1], [1e-4, 1e-2]),
    ]


def test_a_histogram_of_nothing_but_outliers_can_be_drawn(curves):
    spread = histogram(torch.full((4,), 99.0), -3, 3)
    assert value_figure(curves, spread, block=0).layout.yaxis2.range[1] > 0

"""Section 4.3 on curves and on a model's own feed-forward network, section 4.7 turn by turn."""

from math import erf, exp, pi, sqrt, tanh

import pytest
import torch

from gpt.config import GPTConfig
from gpt.experiments import activation_curves, feed_forward_pass, histogram, slow_loop, strongest_neurons
from gpt.generation import generate
from gpt.model import GPTModel
from gpt.tracing import trace

IDS = [3, 1, 4, 1, 5]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(123)
    return GPTModel(GPTConfig(vocab_size=97, context_length=8, emb_dim=32, n_heads=4, n_layers=3)).eval()


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


def test_feed_forward_pass_is_what_the_block_itself_computes(model):
    seen = {}
    feed_forward = model.trf_blocks[1].ff
    hooks = [
        feed_forward.layers[1].register_forward_hook(lambda _, args, out: seen.update(before=args[0], after=out)),
        feed_forward.register_forward_hook(lambda _, args, out: seen.update(entering=args[0], leaving=out)),
    ]
    with torch.no_grad():
        model(torch.tensor([IDS]))
    for hook in hooks:
        hook.remove()
    passed = feed_forward_pass(model, trace(model, IDS), 1)
    assert passed.preactivations.shape == (5, 4 * 32)
    torch.testing.assert_close(passed.entering, seen["entering"][0])
    torch.testing.assert_close(passed.preactivations, seen["before"][0])
    torch.testing.assert_close(passed.activations, seen["after"][0])
    torch.testing.assert_close(passed.leaving, seen["leaving"][0])


def test_a_neuron_fires_when_gelu_passes_something_positive_on(model):
    passed = feed_forward_pass(model, trace(model, IDS), 0)
    assert torch.equal(passed.firing, passed.activations > 0)
    assert 0 < passed.firing.float().mean() < 1


def test_the_pass_of_one_token_is_its_row_of_the_whole(model):
    passed = feed_forward_pass(model, trace(model, IDS), 0)
    alone = passed.at(2)
    assert alone.entering.shape == alone.leaving.shape == (1, 32)
    assert torch.equal(alone.activations[0], passed.activations[2])
    assert strongest_neurons(alone, 0) == strongest_neurons(passed, 2)


def test_strongest_neurons_are_the_largest_activations(model):
    passed = feed_forward_pass(model, trace(model, IDS), 0)
    strongest = strongest_neurons(passed, -1, 5)
    assert [n.activation for n in strongest] == passed.activations[-1].sort(descending=True).values[:5].tolist()
    assert all(passed.preactivations[-1, n.index] == n.preactivation for n in strongest)


def test_feed_forward_of_a_block_that_is_not_there_is_refused(model):
    with pytest.raises(ValueError, match="block is 3"):
        feed_forward_pass(model, trace(model, IDS), 3)


def test_histogram_counts_every_value_once():
    values = torch.tensor([[-9.0, -0.5, 0.1], [0.2, 0.9, 9.0]])
    spread = histogram(values, -1.0, 1.0, 4)
    assert spread.edges.tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    torch.testing.assert_close(spread.density * 6 * 0.5, torch.tensor([0.0, 1.0, 2.0, 1.0]))


def test_slow_loop_writes_the_text_of_section_4_7():
    torch.manual_seed(123)
    untrained = GPTModel(GPTConfig()).eval()
    steps = list(slow_loop(untrained, [15496, 11, 314, 716], 6))
    # Printed in section 4.7.
    assert [step.picked for step in steps] == [27018, 24086, 47843, 30961, 42348, 7267]
    assert [step.logits_shape for step in steps] == [(1, t, 50257) for t in range(4, 10)]


def test_slow_loop_equals_greedy_generation_past_the_context_length(model):
    steps = list(slow_loop(model, IDS, 8))
    fast = [step.token_id for step in generate(model, IDS, 8, temperature=0)]
    assert [step.picked for step in steps] == fast
    assert steps[-1].window == steps[-1].ids[-8:]
    assert steps[-1].appended == (*IDS, *fast)


def test_slow_loop_shows_the_softmax_it_picks_from(model):
    (step,) = slow_loop(model, IDS, 1)
    with torch.no_grad():
        probabilities = model(torch.tensor([IDS]))[0, -1].softmax(0)
    assert [row.token_id for row in step.table.tokens] == probabilities.topk(5).indices.tolist()
    assert [row.probability for row in step.table.tokens] == pytest.approx(probabilities.topk(5).values.tolist())


def test_slow_loop_refuses_ids_before_the_first_turn(model):
    with pytest.raises(ValueError, match="not a token"):
        slow_loop(model, [97], 1)

"""Section 4.3 on a model's own feed-forward network."""

import pytest
import torch

from gpt.chapter.feed_forward import feed_forward_pass, histogram, strongest_neurons
from gpt.config import GPTConfig
from gpt.model import GPTModel
from gpt.tracing import trace

IDS = [3, 1, 4, 1, 5]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(123)
    return GPTModel(GPTConfig(vocab_size=97, context_length=8, emb_dim=32, n_heads=4, n_layers=3)).eval()


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

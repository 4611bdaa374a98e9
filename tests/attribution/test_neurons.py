"""A neuron's card against the model itself."""

import pytest
import torch

from gpt.attribution.neurons import neuron
from gpt.engine.precision import PRECISIONS
from gpt.files.weights import load_model, save_model
from gpt.tracing import trace
from tests.attribution.seeded import CASE, seeded_model


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_words_of_a_neuron_are_those_whose_logits_rise_when_it_fires(precision, tmp_path):
    save_model(seeded_model(), tmp_path)
    model = load_model(tmp_path, precision)
    traced = trace(model, CASE.ids)
    card = neuron(model, traced, 1, 5, n_words=101)
    output = model.trf_blocks[1].ff.layers[2]
    weight = output.weight.float() * (1 if precision != "int8" else output.scale[:, None])
    centred = weight[:, 5] - weight[:, 5].mean()
    expected = model.tok_emb.weight @ (model.final_norm.scale * centred)
    found = torch.tensor([logit for _, logit in sorted(card.promoted)])
    torch.testing.assert_close(found, expected, atol=1e-5 if precision == "float32" else 0.05, rtol=0)
    logits = [logit for _, logit in card.promoted]
    assert logits == sorted(logits, reverse=True) and card.suppressed == card.promoted[::-1]
    hidden = model.trf_blocks[1].ff.layers[0](traced.blocks[1].norm2.after)[:, 5]
    torch.testing.assert_close(card.activations, torch.nn.functional.gelu(hidden, approximate="tanh"))


def test_a_neuron_that_is_not_there_is_refused():
    model = seeded_model()
    traced = trace(model, CASE.ids)
    with pytest.raises(ValueError, match="no block 3"):
        neuron(model, traced, 3, 0)
    with pytest.raises(ValueError, match="no neuron 128: this model's run from 0 to 127"):
        neuron(model, traced, 0, 128)

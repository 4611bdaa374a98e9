"""The digest of the weights is of the numbers: of each of them, and of nothing else."""

import pytest
import torch

from gpt import load_model, save_model
from gpt.engine import precision
from gpt.engine.weights_digest import weights_digest
from gpt.library import Library
from tests.engine.tiny import a_model, needs_library


@pytest.mark.parametrize("tied_head", [False, True])
def test_a_file_of_another_layout_has_the_same_digest(tmp_path, tied_head):
    model = a_model(tied_head=tied_head)
    save_model(model, tmp_path)
    assert weights_digest(load_model(tmp_path)) == weights_digest(model)


def test_every_tensor_counts():
    model = a_model()
    found = {weights_digest(model)}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.view(-1)[-1] += 1
            found.add(weights_digest(model))
    assert len(found) == 1 + len(list(model.parameters()))


def test_the_same_numbers_in_another_shape_are_other_weights():
    model = a_model()
    before = weights_digest(model)
    model.tok_emb.weight = torch.nn.Parameter(model.tok_emb.weight.detach().view(model.config.emb_dim, -1))
    assert weights_digest(model) != before


def test_each_precision_has_its_own():
    assert len({weights_digest(a_model(name)) for name in precision.PRECISIONS}) == 3


@needs_library
@pytest.mark.parametrize("kept_in", ["bfloat16", "int8"])
def test_it_is_the_same_however_packed_weights_lie_in_memory(monkeypatch, kept_in):
    packed = weights_digest(a_model(kept_in))
    monkeypatch.setattr(precision, "compiled_library", lambda: None)
    assert weights_digest(a_model(kept_in)) == packed


def test_it_is_computed_once_for_a_loaded_model(small_folder, monkeypatch):
    loaded = Library(str(small_folder)).get()
    first = loaded.weights_digest
    monkeypatch.setattr("gpt.library.weights_digest", lambda _: pytest.fail("computed again"))
    assert loaded.weights_digest == first

"""A weight is packed once for all models that share it, again when it is written to, and from its file where it can."""

import gc
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gpt.attribution.ablation import ablate
from gpt.engine.compiled import Library, compiled_library
from gpt.engine.packed_model import PackedModel, packed_model
from gpt.engine.panel_layout import from_panels
from gpt.engine.weight_panels import packed_from, weight_panels, weights_of_files
from gpt.generation import next_token_table
from gpt.model import GPTModel
from tests.attribution.seeded import CASE, seeded_model

pytestmark = pytest.mark.skipif(compiled_library() is None, reason="needs a C compiler")


def panels(packed: PackedModel | None) -> list[int]:
    """Where the weights of a snapshot lie."""
    assert packed is not None
    return [kept.data_ptr() for kept in packed.kept if isinstance(kept, torch.Tensor) and kept.dim() == 3]


def test_a_model_with_a_head_off_shares_the_panels_of_all_other_weights():
    model = seeded_model()
    own = panels(packed_model(model))
    altered = panels(packed_model(ablate(model, heads=[(1, 2)])))
    assert len(own) == len(altered) == 15
    assert [mine == theirs for mine, theirs in zip(own, altered, strict=True)].count(False) == 1


def best(model: GPTModel) -> float:
    return next_token_table(model, CASE.ids, n=1).tokens[0].logit


def test_a_weight_that_is_written_to_is_packed_again():
    model = seeded_model()
    before, first = panels(packed_model(model)), best(model)
    model.trf_blocks[0].att.out_proj.weight.mul_(2)
    assert [mine == now for mine, now in zip(before, panels(packed_model(model)), strict=True)].count(False) == 1
    assert best(model) == pytest.approx(float(model(torch.tensor([CASE.ids]))[0, -1].max()), abs=1e-4)
    assert best(model) != pytest.approx(first, abs=1e-2)


# Numbers


@pytest.fixture
def library() -> Library:
    found = compiled_library()
    assert found is not None
    return found


def a_weight(out: int = 9, n_in: int = 1000) -> Tensor:
    """A weight of bfloat16 numbers, longer than the part that is looked at first."""
    return torch.randint(-99, 100, (out, n_in), generator=torch.Generator().manual_seed(0)).float()


def test_bfloat16_numbers_are_packed_in_half_the_bytes(library):
    weight = a_weight()
    panels = weight_panels(weight, library)
    assert panels.dtype is torch.bfloat16
    assert torch.equal(from_panels(panels, *weight.shape).float(), weight)


@pytest.mark.parametrize("place", [(0, 0), (3, 999), (8, 999)])
def test_one_number_that_is_no_bfloat16_one_keeps_all_of_them_in_float32(library, place):
    weight = a_weight()
    weight[place] = 3.0078
    panels = weight_panels(weight, library)
    assert panels.dtype is torch.float32
    assert torch.equal(from_panels(panels, *weight.shape), weight)


# Weights of files


def test_a_weight_of_a_file_is_read_once_more_when_it_is_packed_and_then_no_more(library):
    weight, read = a_weight(), []
    packed_from(weight, lambda: read.append(1) or weight.clone())
    assert not read
    first = weight_panels(weight, library)
    assert weight_panels(weight, library) is first
    assert len(read) == 1


def gone() -> Tensor:
    raise FileNotFoundError


@pytest.mark.parametrize(
    "read_again",
    [gone, lambda: None, lambda: a_weight(9, 999), lambda: a_weight(1000, 9).t(), lambda: a_weight() + 1],
    ids=["gone", "none", "other shape", "transposed", "other numbers"],
)
def test_a_file_that_is_no_longer_the_same_is_not_used(library, read_again: Callable[[], Tensor | None]):
    weight = a_weight()
    packed_from(weight, read_again)
    assert torch.equal(from_panels(weight_panels(weight, library), *weight.shape).float(), weight)


def test_a_weight_that_was_written_to_is_not_read_from_its_file(library):
    weight = a_weight()
    packed_from(weight, a_weight)
    weight[5, 5] += 1
    assert torch.equal(from_panels(weight_panels(weight, library), *weight.shape).float(), weight)


def test_weights_of_files_are_known_as_long_as_they_are_in_use():
    weight = a_weight()
    packed_from(weight, a_weight)
    assert any(each is weight for each in weights_of_files())
    before = len(list(weights_of_files()))
    del weight
    gc.collect()
    assert len(list(weights_of_files())) < before

"""Snapshots of a model's weights: what a model shares with another is packed once, and what is written to again."""

import pytest
import torch

from gpt.attribution.ablation import ablate
from gpt.engine.compiled import compiled_library
from gpt.engine.packed_model import PackedModel, packed_model
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

"""Every kind of value against what TransformerLens says about the same weights, as record.py recorded it."""

import json
from pathlib import Path

import pytest
import torch

from tests.attribution.ours import our_values
from tests.attribution.seeded import CASE, digest, seeded_model

RECORD = json.loads(Path(__file__).with_name("reference.json").read_text())


@pytest.fixture(scope="module")
def ours() -> dict[str, torch.Tensor]:
    return our_values(seeded_model(), CASE)


def test_the_weights_are_the_recorded_ones():
    assert digest(seeded_model()) == RECORD["weights_sha256"], "record again: tests/attribution/record.py"


@pytest.mark.parametrize("name", RECORD["values"])
def test_same_value_as_transformer_lens(ours, name):
    theirs = torch.tensor(RECORD["values"][name])
    assert theirs.abs().max() > 1e-3
    torch.testing.assert_close(ours[name], theirs, atol=1e-4, rtol=0)


def test_nothing_that_was_recorded_or_is_computed_is_left_out(ours):
    assert ours.keys() == RECORD["values"].keys()

"""Every kind of file is opened right, or refused with the true reason."""

import pytest

from .outcomes import ALL_OPEN, ALL_REFUSED, opening, refusing


@pytest.mark.parametrize("name", ALL_OPEN)
def test_opens_with_the_logits_of_transformers(tmp_path, name):
    outcome = opening(name, ALL_OPEN[name], tmp_path / "made")
    assert not outcome.wrong, outcome


@pytest.mark.parametrize("name", ALL_REFUSED)
def test_is_refused_for_the_true_reason(tmp_path, name):
    outcome = refusing(name, ALL_REFUSED[name], tmp_path / "made")
    assert not outcome.wrong, outcome
    assert outcome.sentence.isprintable() or "save_file" in outcome.sentence

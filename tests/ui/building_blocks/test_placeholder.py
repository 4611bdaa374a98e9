"""The ladder from the placeholder to the whole model, and its sentence about divergences beyond reading."""

from math import inf

import pytest

from gpt.ui.building_blocks import placeholder


@pytest.mark.parametrize(("many", "is_said"), [(1e-9, True), (inf, False)])
def test_a_divergence_beyond_reading_comes_with_the_reason_why_it_is_true(visitor, monkeypatch, many, is_said):
    monkeypatch.setattr(placeholder, "MANY", many)
    visitor.open_tab("Placeholder")
    (shown,) = visitor.shown("ladder")
    assert ("Such a divergence is no mistake" in shown) is is_said
    assert "agreement" in shown.lower()

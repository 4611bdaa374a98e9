"""Number fields become the settings of a run, or a sentence."""

import pytest

from gpt.generation import Settings
from gpt.sampling import Sampling
from gpt.ui.common.run_settings import settings_from


def test_whole_numbers_may_come_as_floats():
    expected = Settings(50, Sampling(0.7), 9)
    assert settings_from(50, Sampling(0.7), 9, 100) == expected
    assert settings_from(50.0, Sampling(0.7), 9.0, 50) == expected
    assert isinstance(settings_from(50.0, Sampling(), 9.0, 50).seed, int)
    assert settings_from(100, Sampling(), 0, 100).max_new_tokens == 100


@pytest.mark.parametrize(
    ("length", "seed", "message"),
    [
        (None, 1, "each need a whole number"),
        (5, None, "each need a whole number"),
        (5.5, 1, "5.5 is not a whole number"),
        (5, float("inf"), "inf is not a whole number"),
        (5, -1, "seed is -1"),
        (0, 1, "max_new_tokens is 0"),
        ("many", 1, "max_new_tokens is many"),
        (1_001, 1, "The length is 1,001"),
    ],
)
def test_what_is_no_length_or_seed_gets_one_sentence(length, seed, message):
    with pytest.raises(ValueError, match=message):
        settings_from(length, Sampling(), seed, 1_000)

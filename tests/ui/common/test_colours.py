"""The page's colours can be read and told apart."""

from itertools import combinations

import pytest

from gpt.ui.common.colours import COLOURS, DIVERGING, contrast, probability_colour, text_colour, translucent


@pytest.mark.parametrize("dark", [False, True])
def test_text_on_every_probability_colour_has_a_contrast_of_4_5(dark):
    # WCAG 2.2, success criterion 1.4.3.
    for step in range(1001):
        background = probability_colour(step / 1000, dark)
        assert contrast(background, text_colour(background)) >= 4.5


def test_contrast_of_black_and_white_is_21():
    # WCAG 2.2, definition of contrast ratio.
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("dark", [False, True])
def test_the_probability_scale_goes_one_way_in_even_steps(dark):
    page = "#0b0f19" if dark else "#ffffff"
    contrasts = [contrast(probability_colour(step / 10, dark), page) for step in range(11)]
    assert contrasts == sorted(contrasts)


def test_every_idea_has_a_colour_of_its_own():
    assert all(first != second for first, second in combinations(COLOURS.values(), 2))


def test_the_diverging_scale_is_clear_at_zero_and_full_at_both_ends():
    opacity = {place: colour.rsplit(",", 1)[1] for place, colour in DIVERGING}
    assert opacity == {0.0: "1)", 0.5: "0)", 1.0: "1)"}
    assert DIVERGING[0][1] != DIVERGING[-1][1]


def test_a_translucent_colour_has_the_channels_of_its_colour():
    assert translucent("#2C7FC4", 0.08) == "rgba(44,127,196,0.08)"
    assert translucent("#000000", 1) == "rgba(0,0,0,1)"

"""What all figures share: colours that can be read, axes that keep equal tokens apart."""

from itertools import combinations

import pytest

from gpt.figures import (
    COLOURS,
    DIVERGING,
    contrast,
    figure,
    log_axis,
    probability_colour,
    text_colour,
    token_axis,
    token_names,
)


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


def test_an_axis_with_too_little_room_names_every_second_or_third_token():
    labels = [str(index) for index in range(100)]
    axis = token_axis(labels, room=40)
    assert axis["tickvals"] == list(range(0, 100, 3))
    assert axis["ticktext"] == labels[::3]


def test_names_of_equal_tokens_differ():
    assert token_names(["·a", "·a", "<b>"], 7) == ["·a (7)", "·a (8)", "&lt;b&gt; (9)"]


@pytest.mark.parametrize("ends", [(0.3, 0.4), (1, 50), (1e-3, 1e13), (2, 2)])
def test_a_logarithmic_axis_holds_both_numbers_with_at_most_a_dozen_ticks(ends):
    axis = log_axis(*ends)
    low, high = axis["range"]
    assert 10**low < ends[0] <= ends[1] < 10**high
    ticks = 3 * (high - low) if axis["dtick"] == "D2" else (high - low) / axis["dtick"]
    assert ticks < 12


def test_equal_tokens_keep_ticks_of_their_own_and_markup_is_shown_as_text():
    axis = token_axis(["·a", "·a", "<b>", "x" * 30])
    assert axis["tickvals"] == [0, 1, 2, 3]
    assert axis["ticktext"][2] == "&lt;b&gt;"
    assert len(axis["ticktext"][3]) == 12


def test_axis_titles_reach_the_figure():
    drawn = figure("tokens", "bits", height=300)
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text, drawn.layout.height) == (
        "tokens",
        "bits",
        300,
    )

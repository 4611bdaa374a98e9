"""What all figures share: axes that keep equal tokens apart, and a line for each token."""

import numpy as np
import pytest

from gpt.ui.common.figure_template import add_token_lines, figure, log_axis, token_axis, token_names


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


def test_the_selected_tokens_line_is_drawn_last_and_each_kind_is_named_once():
    drawn = figure()
    values = np.arange(12).reshape(4, 3)
    add_token_lines(drawn, values, ["a", "b", "c", "d"], ["x", "<y>", "z"], 1, "%{y}", "the others")
    assert [list(line.y) for line in drawn.data] == [list(values[:, i]) for i in (0, 2, 1)]
    assert [line.meta for line in drawn.data] == ["x", "z", "&lt;y&gt;"]
    assert [line.name for line in drawn.data if line.showlegend] == ["the others", "selected token"]

"""Wrong types are wrong, and a sentence names the value and what is allowed."""

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.library import Library
from gpt.ui.host.event_values import check_choice, checked_values, shown
from gpt.ui.page import build_page

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def endpoint(text: str, whole: int = 1, number: float = 0.5, yes: bool = False) -> str:
    return text * whole if number and not yes else ""


with gr.Blocks() as page:
    gr.api(endpoint, api_name="endpoint")
    inputs = [
        gr.Textbox(label="Prompt"),
        gr.Slider(1, 500, label="Length"),
        gr.Number(label="Seed", minimum=0),
        gr.Checkbox(label="Greedy"),
        gr.Radio(["a", "b"], label="Norm"),
        gr.Dropdown(["a", "b"], label="Model"),
        gr.Dropdown(["a", "b"], label="File", allow_custom_value=True),
        gr.CheckboxGroup(["a", "b"], label="Curves"),
        gr.State(),
    ]
    button = gr.Button()
    button.click(lambda *_: None, inputs, None, api_visibility="private")
ENDPOINT, EVENT = page.fns[0], page.fns[1]
USUAL = ["a", 5, 7, True, "a", "b", "/some/file", ["b"], None]


def checked(event, values):
    return checked_values(event, values, lambda block: block)


def test_what_is_right_passes():
    assert checked(ENDPOINT, ["a", 3, 0.5, True]) == ["a", 3, 0.5, True]
    assert checked(EVENT, USUAL) == USUAL


def test_a_whole_number_may_be_written_as_javascript_does():
    (_, whole, *_) = checked(ENDPOINT, ["a", 3.0, 1, False])
    assert (whole, type(whole)) == (3, int)


@pytest.mark.parametrize(
    ("position", "value", "sentence"),
    [
        (0, 5, "text is 5: give text."),
        (0, None, "text is null: give text."),
        (0, ["a"], 'text is ["a"]: give text.'),
        (1, "0", 'whole is "0": give a whole number.'),
        (1, 1.5, "whole is 1.5: give a whole number."),
        (1, True, "whole is true: give a whole number."),
        (1, None, "whole is null: give a whole number."),
        (2, "0.5", 'number is "0.5": give a number.'),
        (2, float("nan"), "number is NaN: give a number."),
        (2, float("inf"), "number is Infinity: give a number."),
        (2, 10**400, "number is 1" + "0" * 59 + "…: give a number."),
        (3, "yes", 'yes is "yes": give true or false.'),
        (3, 1, "yes is 1: give true or false."),
    ],
)
def test_parameters_of_another_type(position, value, sentence):
    values = ["a", 3, 0.5, True]
    values[position] = value
    with pytest.raises(ValueError) as refused:
        checked(ENDPOINT, values)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("position", "value", "sentence"),
    [
        (0, 5, "Prompt is 5: give text."),
        (1, 501, "Length is 501: choose a number from 1 to 500."),
        (1, None, "Length is null: give a number."),
        (1, float("nan"), "Length is NaN: give a number."),
        (2, -1, "Seed is -1: choose a number of 0 or more."),
        (2, "1", 'Seed is "1": give a number.'),
        (3, 1, "Greedy is 1: give true or false."),
        (4, "c", 'Norm is "c": choose one of a, b.'),
        (4, ["a"], 'Norm is ["a"]: choose one of a, b.'),
        (5, "/etc/passwd", 'Model is "/etc/passwd": choose one of a, b.'),
        (6, {"path": "/etc/passwd"}, 'File is {"path": "/etc/passwd"}: choose one of a, b.'),
        (7, "a", 'Curves is "a": give a list of its choices.'),
        (7, ["a", "c"], 'Curves is "c": choose one of a, b.'),
        (7, ["a"] * 3, 'Curves is ["a", "a", "a"]: give a list of its choices.'),
    ],
)
def test_values_of_another_type_or_out_of_range(position, value, sentence):
    values = list(USUAL)
    values[position] = value
    with pytest.raises(ValueError) as refused:
        checked(EVENT, values)
    assert str(refused.value) == sentence


def test_the_number_of_values():
    with pytest.raises(ValueError, match=r"/endpoint takes 4 values .* \(text, whole, number, yes\) and got 1: .*v2"):
        checked(ENDPOINT, ["a"])
    with pytest.raises(ValueError, match="takes 9 values and got 10"):
        checked(EVENT, [*USUAL, None])


def test_a_range_that_was_changed_for_this_visitor_counts():
    narrow = gr.Slider(1, 3, label="Length")
    with pytest.raises(ValueError, match="from 1 to 3"):
        checked_values(EVENT, USUAL, lambda block: narrow if block is inputs[1] else block)


def test_what_a_page_keeps_on_this_side_is_not_read_from_what_it_sends():
    assert checked(EVENT, [*USUAL[:-1], {"path": "/etc/passwd"}])[-1] is None


def test_half_a_character_is_made_whole():
    assert checked(ENDPOINT, ["a\ud800b", 3, 0.5, True])[0] == "a\ufffdb"


@given(st.lists(JSON, max_size=10))
def test_whatever_comes_is_taken_or_refused_with_a_sentence(values):
    for event in (ENDPOINT, EVENT):
        try:
            checked(event, values)
        except ValueError as refused:
            assert str(refused).endswith(".")
            str(refused).encode()
            assert len(str(refused)) < 400


@given(JSON)
def test_a_value_is_shown_at_a_readable_length(value):
    assert len(shown(value)) <= 61
    shown(value).encode()


@pytest.mark.parametrize(
    "data",
    [None, 5, [], {}, {"index": 1}, {"index": True, "value": 1}, {"index": -1, "value": 1}]
    + [{"index": index, "value": 1} for index in ("0", 1.5, None, [], [1, 2, 3], [1, "a"], 10**9, {"a": 1})],
)
def test_a_choice_that_names_no_place(data):
    with pytest.raises(ValueError, match=r"^The choice is .*\.$"):
        check_choice(data)


def test_a_choice_names_a_place_in_a_list_or_a_table():
    check_choice({"index": 3, "value": "a"})
    check_choice({"index": [1, 2], "value": None, "selected": True})


def test_every_input_on_the_page_is_of_a_kind_that_is_checked():
    """A new kind of component would pass as text; give it a check in event_values first."""
    known = (gr.State, gr.Checkbox, gr.Slider, gr.Number, gr.CheckboxGroup, gr.Radio, gr.Dropdown, gr.Textbox)
    for event in build_page(Library()).fns.values():
        if event.fn is not None and event.api_visibility != "public":
            assert all(isinstance(block, known) for block in event.inputs)

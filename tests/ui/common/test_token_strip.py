"""The strip of tokens as the text it is sent as."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt import Tokenizer
from gpt.ui.common.colours import probability_colour, text_colour
from gpt.ui.common.token_strip import StripToken, probability_legend, strip_html, strip_token

TOKENIZER = Tokenizer()


class Buttons(HTMLParser):
    """What a browser makes of a strip: each button's attributes, and the text on it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[dict, str]] = []
        self.others: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "button":
            self.found.append((dict(attrs), ""))
        else:
            self.others.append(tag)

    def handle_data(self, data):
        attributes, text = self.found.pop()
        self.found.append((attributes, text + data))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))))
def test_whatever_the_tokens_say_is_shown_as_text(texts):
    found = Buttons(strip_html([StripToken(text, f"{text} · id 1") for text in texts]))
    assert [text for _, text in found.found] == texts
    assert [attributes["aria-label"] for attributes, _ in found.found] == [f"{text} · id 1" for text in texts]
    assert set(found.others) <= {"br"}


def test_a_strip_that_grows_is_the_earlier_one_and_more():
    tokens = [strip_token(TOKENIZER, token_id, "5.0 %, rank 3", 0.05, "new") for token_id in (6109, 3626, 6100)]
    assert strip_html(tokens).startswith(strip_html(tokens[:2]))


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_a_token_has_the_colour_of_its_probability_in_light_and_in_dark(probability):
    ((attributes, _),) = Buttons(strip_html([strip_token(TOKENIZER, 6109, "", probability)])).found
    assert "scaled" in attributes["class"].split()
    variables = dict(each.split(":") for each in attributes["style"].split(";"))
    for name, dark in (("light", False), ("dark", True)):
        colour = probability_colour(probability, dark)
        assert (variables[f"--{name}"], variables[f"--on-{name}"]) == (colour, text_colour(colour))


def test_the_legend_runs_through_the_colours_from_0_to_100_percent():
    legend = probability_legend("share of it")
    assert "share of it" in legend
    for dark in (False, True):
        steps = ", ".join(probability_colour(step / 8, dark) for step in range(9))
        assert f"{'--dark' if dark else '--light'}:linear-gradient(90deg, {steps})" in legend


def test_one_token_is_marked_and_the_tab_key_reaches_it():
    tokens = [strip_token(TOKENIZER, token_id) for token_id in (6109, 3626, 6100)]
    buttons = Buttons(strip_html(tokens, selected=1)).found
    assert ["selected" in attributes["class"] for attributes, _ in buttons] == [False, True, False]
    assert [attributes["tabindex"] for attributes, _ in buttons] == ["-1", "0", "-1"]
    unselected = Buttons(strip_html(tokens)).found
    assert [attributes["tabindex"] for attributes, _ in unselected] == ["0", "-1", "-1"]


def test_what_stands_before_the_context_is_folded_into_one_piece_that_cannot_be_chosen():
    tokens = [strip_token(TOKENIZER, token_id) for token_id in (6109, 3626, 6100, 345)]
    shown = strip_html(tokens, unread=3)
    assert shown.count("<button") == 1
    assert 'data-index="3" tabindex="0"' in shown
    assert "3 tokens before the context: the model cannot read them" in shown
    assert "<p>Every·effort·moves</p>" in shown
    assert "<details" not in strip_html(tokens)

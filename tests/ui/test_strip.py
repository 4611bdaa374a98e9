"""The strip of tokens as the text it is sent as."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from gpt.ui.strip import StripToken, strip_html, strip_token


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
    tokens = [strip_token(token_id, "5.0 %, rank 3", 0.05, "new") for token_id in (6109, 3626, 6100)]
    assert strip_html(tokens).startswith(strip_html(tokens[:2]))


def test_one_token_is_marked_and_the_tab_key_reaches_it():
    tokens = [strip_token(token_id) for token_id in (6109, 3626, 6100)]
    buttons = Buttons(strip_html(tokens, opened=1)).found
    assert ["opened" in attributes["class"] for attributes, _ in buttons] == [False, True, False]
    assert [attributes["tabindex"] for attributes, _ in buttons] == ["-1", "0", "-1"]
    unopened = Buttons(strip_html(tokens)).found
    assert [attributes["tabindex"] for attributes, _ in unopened] == ["0", "-1", "-1"]

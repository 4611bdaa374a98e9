"""The prompt that the page comes with is one that the model can read."""

from gpt import Tokenizer
from gpt.files.characters import read_characters
from gpt.tokenizer import TokenIds
from gpt.ui.generate.first_prompt import DEFAULT_PROMPT, readable


def of(characters: str) -> Tokenizer:
    return Tokenizer(read_characters({character: i for i, character in enumerate(characters)}, "vocab.json"))


def test_the_chapters_words_stay_where_they_can_be_read():
    assert readable(Tokenizer(), DEFAULT_PROMPT) == DEFAULT_PROMPT
    assert readable(of("Every fotmsvu"), DEFAULT_PROMPT) == DEFAULT_PROMPT


def test_a_model_without_those_letters_gets_its_own_first_tokens():
    assert readable(of("\n 0123456789+="), DEFAULT_PROMPT) == "012"
    assert readable(TokenIds(101), DEFAULT_PROMPT) == "0 1 2"
    assert readable(TokenIds(2), DEFAULT_PROMPT) == "0 1"


def test_what_somebody_typed_is_never_replaced():
    assert readable(TokenIds(101), "Hello, I am") == "Hello, I am"

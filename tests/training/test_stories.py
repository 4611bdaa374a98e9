"""The entropy is exact, the text is the bundled one, and a story that keeps its thread is told from others."""

from collections.abc import Iterator
from math import log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.tokenizer import Tokenizer
from gpt.training.stories import (
    ENTROPY_PER_TOKEN,
    PATH,
    SEPARATOR,
    STORIES,
    Accepted,
    accepted_sentences,
    surprises,
    write_text,
)
from gpt.training.story_grammar import Grammar, State, spelled

SMALL = Grammar(
    "{hero:people} has a [red|{look:looks}] {thing:things}. "
    "{He} [gives it to {other:people}. {other} has|keeps] the {thing}.",
    lists={"people": ("Anna", "Ben", "Tom"), "looks": ("blue", "old"), "things": ("ball", "hat")},
    pronouns={"Anna": "she", "Ben": "he", "Tom": "he"},
)


def all_stories(grammar: Grammar, state: State, story: str = "") -> Iterator[tuple[str, float]]:
    """Every story of a grammar and its probability."""
    options = grammar.following(state)
    if not options:
        yield story, 1.0
    for option in options:
        for text, probability in all_stories(grammar, option.state, story + spelled(option.word, not story)):
            yield text, option.probability * probability


def test_the_entropy_is_that_of_all_stories_counted_one_by_one():
    stories = list(all_stories(SMALL, SMALL.start))
    tokens = [tuple(Tokenizer().encode(text)) for text, _ in stories]
    assert len(set(tokens)) == len(stories)  # no two derivations give the same tokens
    assert sum(probability for _, probability in stories) == pytest.approx(1)
    entropy = -sum(probability * log(probability) for _, probability in stories)
    assert SMALL.entropy == pytest.approx(entropy)
    mean = sum(probability * len(ids) for ids, (_, probability) in zip(tokens, stories, strict=True))
    assert SMALL.mean_words == pytest.approx(mean)


def test_the_surprise_of_a_story_is_the_logarithm_of_its_probability():
    for text, probability in all_stories(SMALL, SMALL.start):
        pieces = [Tokenizer().decode([token_id]) for token_id in Tokenizer().encode(text)]
        assert sum(SMALL.read(pieces)) == pytest.approx(-log(probability))


@given(st.integers(0, 2**32))
def test_every_word_of_a_story_is_one_token_and_what_may_follow_differs(seed):
    state, story, random = STORIES.start, "", Random(seed)
    n_words = 0
    while options := STORIES.following(state):
        assert len({option.word for option in options}) == len(options)
        assert sum(option.probability for option in options) == pytest.approx(1)
        for option in options:
            assert len(Tokenizer().encode(spelled(option.word, not story))) == 1
        chosen = random.choice(options)
        story, state, n_words = story + spelled(chosen.word, not story), chosen.state, n_words + 1
    assert len(Tokenizer().encode(story)) == n_words
    assert len(Tokenizer().encode(story + SEPARATOR, special=True)) == n_words + 2


def test_the_bundled_text_is_what_the_grammar_writes():
    text = PATH.read_text(encoding="utf-8")
    assert text == write_text()
    assert 100_000 <= len(text.encode()) < 100_500


def test_the_surprises_of_the_bundled_text_belong_to_its_tokens_and_average_to_the_entropy():
    text = write_text()
    found = surprises(text)
    assert len(found) == len(Tokenizer().encode(text, special=True))
    assert sum(found) / len(found) == pytest.approx(ENTROPY_PER_TOKEN, rel=0.01)
    with pytest.raises(ValueError, match=r"does not write 'Anna sings\.'"):
        surprises("Anna sings." + SEPARATOR)


STORY = (
    "Anna lives in the city. She has a red ball. One day she walks to the lake. She meets Ben there. "
    "Ben likes the red ball. Anna gives it to Ben. Now Ben has the red ball. At night she walks back to the city."
)


@pytest.mark.parametrize(
    ("before", "after", "accepted"),
    [
        ("", "", 8),
        ("She has", "He has", 1),  # not her pronoun
        ("likes the red ball", "likes the blue ball", 4),  # not the ball she has
        ("meets Ben", "meets Anna", 3),  # nobody meets herself
        ("Now Ben has", "Now Anna still has", 6),  # she has given it away
        ("back to the city", "back to the town", 7),  # not where she lives
        ("Anna lives in", "Anna is in", 0),
        ("One day", "One  day", 2),
    ],
)
def test_a_story_is_accepted_up_to_its_first_slip(before, after, accepted):
    assert accepted_sentences(STORY.replace(before, after)) == Accepted(accepted, 8)


def test_sentences_of_several_stories_are_counted_and_what_is_broken_off_is_not():
    assert accepted_sentences(STORY + SEPARATOR + STORY + SEPARATOR + "Anna lives in the") == Accepted(16, 16)
    assert accepted_sentences(f"<|endoftext|>{STORY}<|endoftext|>") == Accepted(8, 8)
    assert accepted_sentences("") == Accepted(0, 0)


@given(st.integers(0, 2**32))
def test_every_story_the_grammar_writes_is_accepted_whole(seed):
    assert accepted_sentences(STORIES.write(Random(seed))) == Accepted(8, 8)

"""The bundled text: little stories, whose later sentences have to agree with the earlier ones.

`python -m gpt.training.stories` writes it. Its entropy is known, so a loss on it can be told from the best possible.
"""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from ..tokenizer import END_OF_TEXT, Tokenizer
from .story_grammar import Grammar

PATH = Path(__file__).parents[2] / "assets" / "stories.txt"
SEED = 123
LENGTH = 100_000  # characters
SEPARATOR = f"\n{END_OF_TEXT}"

_HER = ("Anna", "Kate", "Mary", "Rose", "Alice", "Eva", "Maria", "Jane")
_HIM = ("Ben", "David", "Frank", "Henry", "Jack", "Paul", "Sam", "Tom")
STORIES = Grammar(
    "{hero:people} lives in the {home:homes}. {He} has a {look:looks} {thing:things}. "
    "One {time:times} {he} {way:ways} to the {place:places}. {He} [meets|sees] {other:people} there. "
    "{other} [likes|wants] the {look} {thing}. "
    "{hero} [gives it to {other}. Now {other} has|keeps it. Now {hero} still has|leaves it there. Now nobody has] "
    "the {look} {thing}. "
    "At night {he} {way} back to the {home}.",
    lists={
        "people": _HER + _HIM,
        "homes": ("village", "city", "town", "valley", "castle", "forest", "cottage", "tower"),
        "looks": ("red", "blue", "green", "black", "white", "yellow", "brown", "silver"),
        "things": (
            *("ball", "drum", "lamp", "book", "boat", "hat", "coat", "ring"),
            *("sword", "bell", "cup", "key", "map", "doll", "box", "flag"),
        ),
        "times": ("morning", "afternoon", "day", "Sunday"),
        "ways": ("walks", "runs", "rides", "goes"),
        "places": ("river", "lake", "market", "school", "bridge", "beach", "hill", "church"),
    },
    pronouns=dict.fromkeys(_HER, "she") | dict.fromkeys(_HIM, "he"),
)
# Nats per token of an endless text of stories: the separator after each is two tokens, and no surprise.
ENTROPY_PER_TOKEN = STORIES.entropy / (STORIES.mean_words + 2)


@dataclass(frozen=True)
class Accepted:
    """How many of the sentences of a text the grammar would have written where they stand."""

    sentences: int
    of: int


def write_text(length: int = LENGTH, seed: int = SEED) -> str:
    """Stories of a seed, at least `length` characters."""
    random, text = Random(seed), ""
    while len(text) < length:
        text += STORIES.write(random) + SEPARATOR
    return text


def is_bundled(path: Path) -> bool:
    """Whether a file is the bundled text."""
    return path.stat().st_size == PATH.stat().st_size and path.read_bytes() == PATH.read_bytes()


def surprises(text: str) -> list[float]:
    """The surprise (nats) of each token of a text of stories, for a reader who knows the grammar and the story so far.

    Raises ValueError for a text that the grammar does not write.
    """
    tokenizer, found = Tokenizer(), []
    for story in text.removesuffix(SEPARATOR).split(SEPARATOR):
        pieces = [tokenizer.decode([token_id]) for token_id in tokenizer.encode(story)]
        of_story = list(STORIES.read(pieces))
        if len(of_story) < len(pieces) or not story.endswith("."):
            raise ValueError(f"The grammar does not write {story[:80]!r}: give a text that write_text has written.")
        found += [*of_story, 0.0, 0.0]
    return found


def accepted_sentences(text: str) -> Accepted:
    """Count the sentences of a text of stories that fit the grammar and all of their story before them.

    After the first mistake, no sentence of a story counts. A sentence that is cut off at the end of the text is
    ignored.
    """
    tokenizer, accepted, total = Tokenizer(), 0, 0
    for story in text.split(END_OF_TEXT):
        whole = story[: story.rfind(".") + 1]
        pieces = [tokenizer.decode([token_id]) for token_id in tokenizer.encode(whole)]
        fitting = pieces[: len(list(STORIES.read(pieces)))]
        accepted += fitting.count(".")
        total += whole.count(".")
    return Accepted(accepted, total)


if __name__ == "__main__":
    PATH.write_text(write_text(), encoding="utf-8")

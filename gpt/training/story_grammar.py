"""A grammar of little stories: it writes them, says which words may follow, and knows their entropy exactly.

Every word of its stories, with the space before it, is one of GPT-2's tokens, and so is every full stop: GPT-2 cuts a
text into such pieces before it joins bytes to tokens, so a story's tokens are its words one by one. At each place the
words that may follow differ from one another, so a text has one derivation at most. Therefore the entropy of a story's
tokens is the entropy of the choices that made it, and the surprise of a token is that of the choice it shows.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import log
from random import Random

_PIECE = re.compile(r"\{(\w+)(?::(\w+))?\}|([\[|\]])|([\w']+|\.)")


@dataclass(frozen=True)
class Pick:
    """A word of a list, each as likely as the other, that no earlier pick of the story has taken from it."""

    slot: str
    words: str


@dataclass(frozen=True)
class Again:
    """The word that was picked for a slot."""

    slot: str


@dataclass(frozen=True)
class OneOf:
    """One of several ways to go on, each as likely as the other."""

    ways: "tuple[Nodes, ...]"


Node = str | Pick | Again | OneOf
Nodes = tuple[Node, ...]


@dataclass(frozen=True)
class State:
    """A place in a story: what is still to come, and the words picked so far, by slot and list."""

    nodes: Nodes
    picked: tuple[tuple[str, str, str], ...] = ()  # slot, list, word

    def word(self, slot: str) -> str:
        """The word picked for a slot."""
        return next(word for name, _, word in self.picked if name == slot)


@dataclass(frozen=True)
class Next:
    """A word that may come next, its probability, and where it leads."""

    word: str
    probability: float
    state: State


class Grammar:
    """Stories as a template writes them: `{slot:list}` picks a word, `{slot}` repeats it, `[one|other]` chooses.

    `{he}` and `{He}` stand for the first person of the story, by `pronouns`.
    """

    def __init__(self, template: str, lists: Mapping[str, tuple[str, ...]], pronouns: Mapping[str, str]) -> None:
        self._lists, self._pronouns = lists, pronouns
        self.start = State(_parse(template))

    def following(self, state: State) -> list[Next]:
        """The words that may come next; none at the end of a story."""
        if not state.nodes:
            return []
        node, rest = state.nodes[0], state.nodes[1:]
        if isinstance(node, OneOf):
            ways = [State(way + rest, state.picked) for way in node.ways]
            return [
                Next(each.word, each.probability / len(ways), each.state)
                for way in ways
                for each in self.following(way)
            ]
        if isinstance(node, Pick):
            taken = {word for _, words, word in state.picked if words == node.words}
            words = [word for word in self._lists[node.words] if word not in taken]
            return [
                Next(word, 1 / len(words), State(rest, (*state.picked, (node.slot, node.words, word))))
                for word in words
            ]
        word = node if isinstance(node, str) else self._again(node, state)
        return [Next(word, 1.0, State(rest, state.picked))]

    def _again(self, node: Again, state: State) -> str:
        if node.slot.lower() != "he":
            return state.word(node.slot)
        pronoun = self._pronouns[state.picked[0][2]]
        return pronoun if node.slot == "he" else pronoun.capitalize()

    def write(self, random: Random) -> str:
        """A story."""
        story, state = "", self.start
        while options := self.following(state):
            chosen = random.choices(options, [each.probability for each in options])[0]
            story += spelled(chosen.word, is_first=not story)
            state = chosen.state
        return story

    def read(self, pieces: Iterable[str]) -> Iterator[float]:
        """The surprise (nats) of each piece of a story, a word with its space or a full stop.

        Ends before the first piece that the grammar would not write there.
        """
        state = self.start
        for piece in pieces:
            is_first = state is self.start
            found = next((each for each in self.following(state) if spelled(each.word, is_first) == piece), None)
            if found is None:
                return
            yield -log(found.probability)
            state = found.state

    @property
    def entropy(self) -> float:
        """The entropy of a story in nats."""
        return self._sum(self.start.nodes, {}, per_word=0.0)

    @property
    def mean_words(self) -> float:
        """How many words, and full stops, a story has on average."""
        return self._sum(self.start.nodes, {}, per_word=1.0)

    def _sum(self, nodes: Nodes, n_picked: Mapping[str, int], per_word: float) -> float:
        """The expected sum over a story's nodes of `per_word`, or of the entropy of its choices for 0.

        Which word was picked changes neither how many choices follow nor how many words, so one stands for all.
        """
        if not nodes:
            return 0.0
        node, rest = nodes[0], nodes[1:]
        if isinstance(node, OneOf):
            inside = sum(self._sum(way + rest, n_picked, per_word) for way in node.ways) / len(node.ways)
            return inside + (0.0 if per_word else log(len(node.ways)))
        if isinstance(node, Pick):
            before = n_picked.get(node.words, 0)
            own = per_word or log(len(self._lists[node.words]) - before)
            return own + self._sum(rest, {**n_picked, node.words: before + 1}, per_word)
        return per_word + self._sum(rest, n_picked, per_word)


def spelled(word: str, is_first: bool) -> str:
    """A word or full stop as it stands in a text, with the space before it."""
    return word if is_first or word == "." else f" {word}"


def _parse(template: str) -> Nodes:
    stack: list[list[list[Node]]] = [[[]]]
    for slot, words, mark, literal in _PIECE.findall(template):
        if mark == "[":
            stack.append([[]])
        elif mark == "|":
            stack[-1].append([])
        elif mark == "]":
            ways = stack.pop()
            stack[-1][-1].append(OneOf(tuple(map(tuple, ways))))
        else:
            stack[-1][-1].append(literal or (Pick(slot, words) if words else Again(slot)))
    return tuple(stack[0][0])

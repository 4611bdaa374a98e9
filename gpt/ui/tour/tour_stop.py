"""What a stop of the tour is: a place on the page, and words about it with the numbers of the loaded model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...config import GPTConfig
from ...generation import Settings
from ...sampling import Sampling
from ..generate.first_prompt import DEFAULT_PROMPT
from .tour_text import Reading

# The text of every stop: the chapter's prompt, continued with chance but always in the same way.
PROMPT = DEFAULT_PROMPT
SETTINGS = Settings(max_new_tokens=24, sampling=Sampling(temperature=0.8, top_k=50, top_p=1.0), seed=123)

# The model that the chapter builds.
CHAPTERS = GPTConfig.preset("gpt2-124M")


@dataclass(frozen=True)
class Guess:
    """A question to think about before the answer is shown: one of two or three choices is right."""

    question: str
    choices: tuple[str, ...]
    right: int  # index of a choice
    answer: str  # what is so, with its number


@dataclass(frozen=True)
class Told:
    """What a stop says of the loaded model: plain text. Where its claim does not hold, `said` says what is so."""

    said: str
    guess: Guess | None = None
    holds: bool = True
    is_reply: bool = False  # to the button of a stop that asks the untrained model


@dataclass(frozen=True)
class Stop:
    """One stop: the tab it opens with which values, the element it frames, and what it says of the loaded model."""

    title: str
    tab: str
    frame: str  # CSS selector of one element
    tell: Callable[[Reading], Told]
    values: Mapping[str, object] = field(default_factory=dict)  # by the names that the tab made reachable
    hides: str | None = None  # what shows the answer, blurred until the visitor has guessed; None: what is framed
    reads_prompt: bool = False  # the prompt's last token is selected; else none, for which the first new one stands
    asks_untrained: bool = False  # has a button that asks the untrained model too


@dataclass(frozen=True)
class Lesson:
    """The stops of a section, `key` in the address: lesson=KEY&step=1."""

    key: str
    title: str
    stops: tuple[Stop, ...]


def guess(question: str, right: str, others: Sequence[str], answer: str) -> Guess:
    """A guess whose choices stand in alphabetical order, without those that read like the right one."""
    choices = sorted({right, *others})
    return Guess(question, tuple(choices), choices.index(right), answer)


def guess_number(
    question: str, right: float, others: Sequence[float], written: Callable[[float], str], answer: str
) -> Guess:
    """A guess whose choices are numbers, smallest first, without those that read like the right one."""
    shown = written(right)
    different = [other for other in others if written(other) != shown]
    choices = list(dict.fromkeys(written(number) for number in sorted([right, *different])))
    return Guess(question, tuple(choices), choices.index(shown), answer)


def panel(key: str) -> dict[str, object]:
    """The values that open a panel of the Building blocks tab."""
    return {"shown": key, "front": key}

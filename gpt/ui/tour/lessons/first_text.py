"""The first lesson, for who comes with nothing: a text that grows, tokens, logits, probabilities."""

from ...common.number_format import counted, percent
from ..tour_stop import Lesson, Stop, Told, guess_number
from ..tour_text import Reading


def _growing(r: Reading) -> Told:
    n = len(r.run.steps)
    return Told(
        f"This model was given a beginning, “{r.run.prompt}”, and added {n} pieces to it, one after the other. The "
        f"first piece it added was {r.quoted(r.run.steps[0].token_id)}. Everything on this page is about that one "
        "step: how a machine chooses the next piece of a text."
    )


def _tokens(r: Reading) -> Told:
    n, letters = len(r.prompt), len(r.run.prompt)
    numbers = ", ".join(map(str, r.prompt))
    return Told(
        "Before a model reads a text, the text is cut into pieces from a fixed list. Such a piece is called a token: "
        "a word, a part of a word, or a mark. Where you see a dot, there is a space.",
        guess_number(
            f"Into how many tokens is “{r.run.prompt}” cut?",
            n,
            (1, letters),
            "{:,.0f}".format,
            f"{n} for {letters} letters and spaces: {r.listed(r.prompt)}. Each has a number on the list, and the model "
            f"reads only these numbers: {numbers}.",
        ),
    )


def _logits(r: Reading) -> Told:
    first, v = r.table.tokens[0], r.config.vocab_size
    second = r.table.tokens[1]
    return Told(
        "The model reads the tokens and computes scores for what may come next. Such a score is called a logit: the "
        "higher it is, the better that token fits.",
        guess_number(
            "How many scores does it compute for one next token?",
            v,
            (1, len(r.prompt)),
            "{:,.0f}".format,
            f"{v:,}: one for every token on its list, each time. After your text the highest is {first.logit:.2f}, for "
            f"{r.quoted(first.token_id)}, then {second.logit:.2f} for {r.quoted(second.token_id)}.",
        ),
    )


def _probabilities(r: Reading) -> Told:
    first = r.table.tokens[0]
    ten = sum(row.probability for row in r.table.tokens)
    lower = 1 / r.config.vocab_size
    return Told(
        "Scores can be any numbers. Softmax makes shares of them that add up to 100 %: these are the probabilities. "
        f"{r.quoted(first.token_id)} has the highest score here.",
        guess_number(
            "How probable is it?",
            first.probability,
            (lower, 0.99),
            percent,
            f"{percent(first.probability)}. The first {len(r.table.tokens)} together get {percent(ten)}, and "
            f"{counted(r.table.other_count, 'other')} the rest. Then one token is drawn at random, each as often as "
            "its share says, and everything begins again with a text that is one token longer.",
        ),
    )


LESSON = Lesson(
    "start",
    "Start here",
    (
        Stop("A text that grows", "generate", "#run-strip", _growing),
        Stop("Tokens", "generate", "#run-strip", _tokens, hides=""),
        Stop("Logits", "probabilities", "#candidates", _logits),
        Stop("Probabilities", "probabilities", "#candidates", _probabilities),
    ),
)

"""Lesson 4.7: the loop that writes, chance and temperature, and what training changes."""

from math import log2

from ....library import LoadedModel
from ....runs import grow, new_run
from ....sampling import Sampling, token_table
from ...common.number_format import counted, percent
from ..tour_stop import SETTINGS, Lesson, Stop, Told, guess, guess_number, panel
from ..tour_text import Reading

_QUESTION = "Hi, what is your name?"
_LOW = 0.2  # a temperature that leaves little to chance


def _loop(r: Reading) -> Told:
    first, *others = r.table.tokens[:3]
    return Told(
        "Writing is a loop of five steps: read the text, compute logits, make probabilities of them, pick a token, "
        "append it. The chapter's first loop leaves nothing to chance: it picks the most probable one.",
        guess(
            f"Which token does it append to “{r.run.prompt}”?",
            r.quoted(first.token_id),
            [r.quoted(row.token_id) for row in others],
            f"{r.quoted(first.token_id)}, with {percent(first.probability)} ahead of "
            f"{r.quoted(others[0].token_id)} with {percent(others[0].probability)}. Press Next turn on the page, and "
            "the loop runs once more.",
        ),
    )


def _drawn(r: Reading) -> Told:
    steps = r.run.steps
    first = sum(step.rank == 1 for step in steps)
    least = min(steps, key=lambda step: step.probability)
    return Told(
        "This text was written with chance: each token is drawn, and the stronger the blue, the more probable it was.",
        guess_number(
            f"Of {counted(len(steps), 'new token')}, how many were the most probable of all?",
            first,
            (0, len(steps)),
            "{:.0f}".format,
            f"{first} of {len(steps)}. The boldest step is {r.quoted(least.token_id)}: it had "
            f"{percent(least.probability)}, and stood at rank {least.rank:,}. Without such steps a text soon "
            "repeats itself.",
        ),
    )


def _temperature(r: Reading) -> Told:
    first = r.table.tokens[0]
    low = token_table(r.logits, Sampling(temperature=_LOW, top_k=0, top_p=1.0), 1).tokens[0].sampling_probability
    return Told(
        f"Temperature says how much chance there is: the logits are divided by it before softmax. At 1, "
        f"{r.quoted(first.token_id)} gets {percent(first.probability)}.",
        guess_number(
            f"And at temperature {_LOW:g}?",
            low,
            (first.probability, first.probability / 3),
            percent,
            f"{percent(low)}: dividing by a small number pulls the logits apart, and the likeliest token gets more. "
            f"Move the slider on the page and look at the bars.",
        ),
        holds=low > first.probability,
    )


def _untrained(r: Reading) -> Told:
    unsure, most = r.table.entropy_bits, log2(r.config.vocab_size)
    return Told(
        f"Before training, random numbers stand in place of learned ones, and all {r.config.vocab_size:,} tokens are "
        f"about equally likely: {most:.1f} bits of doubt about the next one. The loaded model has {unsure:.1f} bits "
        f"after your text. Ask both “{_QUESTION}”, and compare.",
        holds=unsure < 0.9 * most,
    )


def replies(loaded: LoadedModel, untrained: LoadedModel) -> Told:
    """What the untrained and the loaded model write after the question, and how sure each was of its first token."""
    said = []
    for each in (untrained, loaded):
        *_, run = grow(each.model, new_run(each.model, each.reference, _QUESTION, SETTINGS))
        written = run.reader.decode(run.ids[len(run.prompt_ids) :]).strip()
        said.append((written, run.steps[0].entropy_bits))
    (noise, noise_bits), (text, text_bits) = said
    return Told(
        f"The untrained model answers “{noise}”; the loaded one, {loaded.name}, “{text}”. The code is the same, line "
        f"for line. Only the numbers differ: the first has {noise_bits:.1f} bits of doubt about its next token, the "
        f"second by {text_bits:.1f}. Training, the subject of chapter 5, is what moves the numbers from the one to the "
        "other.",
        holds=loaded.trained,
        is_reply=True,
    )


LESSON = Lesson(
    "4.7",
    "4.7 Writing text",
    (
        Stop("The loop", "building-blocks", "#turn", _loop, panel("loop")),
        Stop("Chance", "generate", "#run-strip", _drawn),
        Stop("Temperature", "probabilities", "#T", _temperature, hides=""),
        Stop("Before and after training", "generate", "#loaded", _untrained, asks_untrained=True),
    ),
)

"""Rows about the speed of one text, against peers.

Every contestant runs the same weights on the same ids; ratios are made of medians over rounds.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import pstdev
from typing import Any

from arena import Arena, arena
from result import Finding, Outcome, Plan, Series

PROMPT_TOKENS = 32
_LONG_PROMPT_TOKENS = 512
_VOCAB_SIZE = 50257
_COMPARED_LOGITS = 1000

Figure = Callable[[list[float]], float]  # the times at which tokens came -> what is compared


def random_ids(n: int, seed: int = 1) -> list[int]:
    """A prompt: which ids they are makes no difference to the time."""
    return random.Random(seed).choices(range(_VOCAB_SIZE), k=n)


def decode_rate(times: list[float]) -> float:
    """Tokens a second from the first on, which came out of the prompt."""
    return (len(times) - 1) / (times[-1] - times[0])


def first_token(times: list[float]) -> float:
    """Seconds to the first token."""
    return times[0]


@dataclass(frozen=True)
class Duel:
    """One of ours against a peer: at least `limit` times as fast, and `aim` times is hoped for."""

    ours: str
    peer: str
    limit: float
    aim: float | None = None

    @property
    def precision(self) -> str:
        """Of our weights."""
        return self.ours.removeprefix("ours ")

    def finding(self, what: str, speeds: Mapping[str, float], missing: Mapping[str, str]) -> Finding:
        """How many times as fast it was."""
        absent = [name for name in (self.ours, self.peer) if name in missing]
        return Finding(
            f"{what} / {self.peer}",
            self.limit,
            True,
            "×",
            None if absent else speeds[self.ours] / speeds[self.peer],
            f"{' and '.join(absent)} missing" if absent else "",
            self.aim,
        )


def decode_float32(plan: Plan) -> Outcome:
    """Float32 tokens a second, one text at a time."""
    duels = [Duel("ours float32", "transformers float32", 2.0), Duel("ours float32", "llama.cpp f32", 1.25)]
    return _decode(plan, duels, "ctranslate2 float32")


def decode_int8(plan: Plan) -> Outcome:
    """The same with 8-bit weights, where the peers have them; also without what only newer processors have."""
    duels = [
        Duel("ours int8", "transformers float32", 5.5),
        Duel("ours int8", "llama.cpp q8_0", 1.4, aim=1.6),
        Duel("ours int8 for AVX2", "llama.cpp q8_0 for AVX2", 1.4, aim=1.6),
    ]
    return _decode(plan, duels, "ctranslate2 int8")


def prompt(plan: Plan) -> Outcome:
    """A long prompt to its first token: seconds, compared as speeds."""
    duels = [Duel("ours float32", "transformers float32", 1.4), Duel("ours int8", "llama.cpp q8_0", 1.8)]
    with arena(plan.folder, [*_names(duels), "ours bfloat16", "llama.cpp f32"]) as field:
        answers = field.rounds(plan.rounds, "arrivals", prompt=random_ids(_LONG_PROMPT_TOKENS), n=1)
    what = f"{_LONG_PROMPT_TOKENS}-token prompt to first token"
    seconds = _series(answers, what, "s", first_token)
    speeds = {name: 1 / series.median for name, series in seconds.items()}
    findings = [duel.finding(f"{what}, {duel.precision}", speeds, field.missing) for duel in duels]
    return Outcome(list(seconds.values()), findings, missing=field.missing)


def _decode(plan: Plan, duels: Sequence[Duel], beside: str) -> Outcome:
    asked = random_ids(PROMPT_TOKENS)
    with arena(plan.folder, [*_names(duels), beside]) as field:
        answers = field.rounds(plan.rounds, "arrivals", prompt=asked, n=plan.new_tokens + 1)
        notes = [*_same_model(field, duels[0].ours, asked), *_instruction_sets(field)]
    rates = _series(answers, "decode", "tokens/s", decode_rate)
    speeds = {name: series.median for name, series in rates.items()}
    findings = [duel.finding(f"decode, {duel.precision}", speeds, field.missing) for duel in duels]
    return Outcome(list(rates.values()), findings, notes, field.missing)


def _names(duels: Sequence[Duel]) -> list[str]:
    """Everybody once."""
    return list(dict.fromkeys(name for duel in duels for name in (duel.ours, duel.peer)))


def _series(answers: Mapping[str, list[list[float]]], what: str, unit: str, figure: Figure) -> dict[str, Series]:
    return {name: Series(f"{what}, {name}", unit, [figure(times) for times in kept]) for name, kept in answers.items()}


def _same_model(field: Arena, ours: str, asked: list[int]) -> list[str]:
    """How far the scores of the others are from ours: a wrong conversion would be fast for nothing."""
    asking = {"prompt": asked, "n": _COMPARED_LOGITS}
    field.the(ours)
    logits: dict[str, Any] = {name: one.ask("logits", **asking) for name, one in field.contestants.items()}
    expected = logits.pop(ours)
    spread = pstdev(expected)
    return [
        f"Logits of {name} lie within {max(abs(a - b) for a, b in zip(found, expected, strict=True)) / spread:.4f} "
        f"standard deviations of {ours}'s."
        for name, found in logits.items()
    ]


def _instruction_sets(field: Arena) -> list[str]:
    """What each llama.cpp says it was built for: one without the processor's best instructions is easily beaten."""
    return [
        f"{name}: {one.ask('instruction_sets')}."
        for name, one in field.contestants.items()
        if name.startswith("llama.cpp")
    ]

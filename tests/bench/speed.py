"""Rows about the speed of one text, against peers.

Every contestant runs the same weights on the same ids; ratios are made of medians over rounds.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
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


def decode_float32(plan: Plan) -> Outcome:
    """Float32 tokens a second, one text at a time."""
    goals = {"transformers float32": 2.0, "llama.cpp f32": 1.0}
    return _decode(plan, "ours float32", goals, "ctranslate2 float32")


def decode_int8(plan: Plan) -> Outcome:
    """The same with 8-bit weights, where the peers have them."""
    goals = {"transformers float32": 5.5, "llama.cpp q8_0": 1.0}
    outcome = _decode(plan, "ours int8", goals, "ctranslate2 int8")
    aim = replace(outcome.findings[-1], limit=1.2)
    reached = {True: "reached", False: "not reached", None: "not measured"}[aim.met]
    outcome.notes.append(f"Beyond the goal, the aim is {aim.goal}: {reached}.")
    return outcome


def prompt(plan: Plan) -> Outcome:
    """A long prompt to its first token: seconds, compared as speeds."""
    ours = ["ours float32", "ours bfloat16", "ours int8"]
    with arena(plan.folder, [*ours, "transformers float32", "llama.cpp f32", "llama.cpp q8_0"]) as field:
        answers = field.rounds(plan.rounds, "arrivals", prompt=random_ids(_LONG_PROMPT_TOKENS), n=1)
    what = f"{_LONG_PROMPT_TOKENS}-token prompt to first token"
    seconds = _series(answers, what, "s", first_token)
    best = min((name for name in ours if name in seconds), key=lambda name: seconds[name].median)
    speeds = {name: 1 / series.median for name, series in seconds.items()}
    findings = [
        _against(speeds, field, what, "ours float32", "transformers float32", 1.0),
        _against(speeds, field, f"{what}, best precision", best, "llama.cpp q8_0", 1.5),
    ]
    notes = [f"The best precision for a long prompt is {best.removeprefix('ours ')}."]
    return Outcome(list(seconds.values()), findings, notes, field.missing)


def _decode(plan: Plan, ours: str, goals: Mapping[str, float], beside: str) -> Outcome:
    asked = random_ids(PROMPT_TOKENS)
    with arena(plan.folder, [ours, *goals, beside]) as field:
        answers = field.rounds(plan.rounds, "arrivals", prompt=asked, n=plan.new_tokens + 1)
        notes = _same_model(field, ours, asked)
    rates = _series(answers, "decode", "tokens/s", decode_rate)
    speeds = {name: series.median for name, series in rates.items()}
    what = f"decode, {ours.removeprefix('ours ')}"
    findings = [_against(speeds, field, what, ours, peer, limit) for peer, limit in goals.items()]
    return Outcome(list(rates.values()), findings, notes, field.missing)


def _series(answers: Mapping[str, list[list[float]]], what: str, unit: str, figure: Figure) -> dict[str, Series]:
    return {name: Series(f"{what}, {name}", unit, [figure(times) for times in kept]) for name, kept in answers.items()}


def _against(speeds: Mapping[str, float], field: Arena, what: str, ours: str, peer: str, limit: float) -> Finding:
    if peer in field.missing:
        return Finding(f"{what} / {peer}", limit, True, "×", why_not=f"{peer} is missing")
    return Finding(f"{what} / {peer}", limit, True, "×", speeds[ours] / speeds[peer])


def _same_model(field: Arena, ours: str, asked: list[int]) -> list[str]:
    """How far the scores of the others are from ours: a wrong conversion would be fast for nothing."""
    asking = {"prompt": asked, "n": _COMPARED_LOGITS}
    logits: dict[str, Any] = {name: one.ask("logits", **asking) for name, one in field.contestants.items()}
    expected = logits.pop(ours)
    spread = pstdev(expected)
    return [
        f"Logits of {name} lie within {max(abs(a - b) for a, b in zip(found, expected, strict=True)) / spread:.4f} "
        f"standard deviations of {ours}'s."
        for name, found in logits.items()
    ]

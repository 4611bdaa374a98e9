"""Rows in which this project is compared with itself: recording, late positions, company.

Both precisions that people decode with are measured wherever the difference could lie in one of them.
"""

from itertools import pairwise
from statistics import median
from typing import Any

from arena import Contestant, Missing, arena
from result import Finding, Outcome, Plan, Series
from speed import PROMPT_TOKENS, decode_rate, random_ids

_PRECISIONS = ("float32", "int8")
_EARLY, _LATE = 50, 900  # the positions compared
_AROUND = 16  # how many tokens before and after such a position are timed
_PEOPLE = 8
# Times as many rounds as for other rows: a busy machine varies by more than the few percent that are looked for.
_FINE_ROUNDS = 3


def recording(plan: Plan) -> Outcome:
    """`generate` with its steps kept, against the same model, kernels, filters and draws keeping only ids."""
    outcome = Outcome()
    for precision in _PRECISIONS:
        with arena(plan.folder, [f"ours {precision}"]) as field:
            _record(outcome, plan, precision, field.the(f"ours {precision}"))
    return outcome


def _record(outcome: Outcome, plan: Plan, precision: str, ours: Contestant) -> None:
    asked = {"prompt": random_ids(PROMPT_TOKENS), "n": plan.new_tokens + 1}
    answers: dict[str, list[Any]] = {"recorded": [], "bare": []}
    for _ in range(_FINE_ROUNDS * plan.rounds + 1):
        for method, kept in answers.items():
            kept.append(ours.ask(method, **asked))
    if answers["recorded"][0]["ids"] != answers["bare"][0]["ids"]:
        raise Missing(f"the bare {precision} loop drew other tokens than generate, so that they cannot be compared")
    recorded, bare = (
        Series(f"{precision}, {method}", "tokens/s", [decode_rate(answer["times"]) for answer in kept[1:]])
        for method, kept in answers.items()
    )
    outcome.series += [recorded, bare]
    overhead = _ratio(bare, recorded) - 1
    outcome.findings.append(Finding(f"recording while generating, {precision}", 0.05, False, "%", overhead))


def _ratio(above: Series, below: Series) -> float:
    """The median of one over the other, round by round: the machine's speed drifts from one to the next."""
    return median(a / b for a, b in zip(above.values, below.values, strict=True))


def position(plan: Plan) -> Outcome:
    """The median gap between tokens around an early and around a late position."""
    outcome = Outcome()
    names = [f"ours {precision}" for precision in _PRECISIONS]
    gaps: dict[tuple[str, int], list[float]] = {(name, place): [] for name in names for place in (_EARLY, _LATE)}
    with arena(plan.folder, names) as field:
        for _ in range(_FINE_ROUNDS * plan.rounds + 1):
            for (name, place), found in gaps.items():
                asked = random_ids(place - _AROUND)
                times = field.the(name).ask("arrivals", prompt=asked, n=2 * _AROUND)
                found.append(median(after - before for before, after in pairwise(times)))
    for name in names:
        early, late = (
            Series(f"a token at position {place}, {name}", "ms", gaps[name, place][1:]) for place in (_EARLY, _LATE)
        )
        outcome.series += [early, late]
        what = f"time per token at position {_LATE} / at {_EARLY}, {name.removeprefix('ours ')}"
        outcome.findings.append(Finding(what, 1.25, False, "×", _ratio(late, early)))
    return outcome


def crowd(plan: Plan) -> Outcome:
    """Eight people at once, each with a prompt and a thread, against one of them alone."""
    prompts = [random_ids(PROMPT_TOKENS, person) for person in range(_PEOPLE)]
    alone, together = [], []
    with arena(plan.folder, ["ours float32"]) as field:
        ours = field.the("ours float32")
        for _ in range(plan.rounds + 1):
            alone.append(ours.ask("crowd", prompts=prompts[:1], n=plan.new_tokens)[0])
            together.append(ours.ask("crowd", prompts=prompts, n=plan.new_tokens))
    one = Series("one person", "tokens/s", [len(times) / times[-1] for times in alone[1:]])
    all_of_them = Series(f"{_PEOPLE} people together", "tokens/s", [_total_rate(people) for people in together[1:]])
    share = Series("the slowest's share of a fair share", "×", [_slowest_share(people) for people in together[1:]])
    start = Series("last first token / first last token", "×", [_overlap(people) for people in together[1:]])
    gap = Series("longest wait for a next token", "ms", [_longest_gap(people) for people in together[1:]])
    people = f"{_PEOPLE} people at once"
    findings = [
        Finding(f"{people}: together / one person's rate", 0.9, True, "×", all_of_them.median / one.median),
        Finding(f"{people}: the slowest / the fair share", 0.7, True, "×", share.median),
        Finding(f"{people}: all have begun / the first has finished", 1.0, False, "×", max(start.values)),
    ]
    return Outcome([one, all_of_them, share, start, gap], findings)


def _total_rate(people: list[list[float]]) -> float:
    return sum(map(len, people)) / max(times[-1] for times in people)


def _slowest_share(people: list[list[float]]) -> float:
    """The fewest tokens anybody has, over the mean, at the moment when the first has finished."""
    finish = min(times[-1] for times in people)
    counts = [sum(time <= finish for time in times) for times in people]
    return min(counts) * len(counts) / sum(counts)


def _overlap(people: list[list[float]]) -> float:
    """When the last of them got a first token, over when the first of them had all."""
    return max(times[0] for times in people) / min(times[-1] for times in people)


def _longest_gap(people: list[list[float]]) -> float:
    return max(after - before for times in people for before, after in pairwise(times))

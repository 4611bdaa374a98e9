"""Rows in which this project is compared with itself: recording, late positions, busy cores.

Both precisions that people decode with are measured wherever the difference could lie in one of them.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from statistics import median
from typing import Any

from arena import Contestant, Missing, arena
from peers import CORES
from result import Finding, Outcome, Plan, Series
from speed import PROMPT_TOKENS, decode_rate, random_ids

_PRECISIONS = ("float32", "int8")
_EARLY, _LATE = 50, 900  # the positions compared
_AROUND = 16  # how many tokens before and after such a position are timed
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


def busy(plan: Plan) -> Outcome:
    """All threads against one where something else wants every core, as on a shared machine."""
    if CORES < 2:
        raise Missing("this machine has one core")
    outcome = Outcome()
    names = [f"ours {precision}" for precision in _PRECISIONS]
    threads = (1, CORES)
    rates: dict[tuple[str, int], list[float]] = {(name, n): [] for name in names for n in threads}
    asked = {"prompt": random_ids(PROMPT_TOKENS), "n": plan.new_tokens + 1}
    with arena(plan.folder, names) as field, _every_core_busy():
        for _ in range(plan.rounds + 1):
            for (name, n), found in rates.items():
                field.the(name).ask("use_threads", n=n)
                found.append(decode_rate(field.the(name).ask("arrivals", **asked)))
    for name in names:
        one, all_of_them = (
            Series(f"decode, {name}, every core busy, threads: {n}", "tokens/s", rates[name, n][1:]) for n in threads
        )
        outcome.series += [one, all_of_them]
        what = f"{CORES} threads / one while every core is busy, {name.removeprefix('ours ')}"
        outcome.findings.append(Finding(what, 0.9, True, "×", _ratio(all_of_them, one)))
    return outcome


@contextmanager
def _every_core_busy() -> Iterator[None]:
    """One busy process for each core; each of them ends with this one, whatever happens."""
    loop = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    processes = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(CORES)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()

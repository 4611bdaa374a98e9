"""Rows about several people at once: how fast together, how fairly, and how long anybody waits for a next token.

Every person is a thread with a text of their own, as the page's visitors are.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from arena import arena
from result import Finding, Outcome, Plan, Series
from speed import PROMPT_TOKENS, Duel, decode_rate, random_ids

_PEOPLE = 8
_OURS = "ours float32"
_CONTEXT_TOKENS = 1024
_LONG_PROMPT_TOKENS = 1000
_TOKENS_PAST_CONTEXT = 2  # each of them takes as long as a prompt that fills the context

Times = list[float]  # when each token came


def crowd_float32(plan: Plan) -> Outcome:
    """Eight people at once, float32: their rate together, their shares and their waits."""
    outcome, crowds = _crowd(plan, Duel(_OURS, "llama.cpp f32", 1.2), 4.0)
    share = Series("the slowest's share of a fair share", "×", list(map(_slowest_share, crowds)))
    begun = Series("last first token / first last token", "×", list(map(_overlap, crowds)))
    wait = Series("longest wait for a next token, float32", "ms", list(map(_longest_wait, crowds)))
    people = f"{_PEOPLE} people at once, float32"
    outcome.series += [share, begun, wait]
    outcome.findings += [
        Finding(f"{people}: the slowest / the fair share", 0.7, True, "×", share.median),
        Finding(f"{people}: all have begun / the first has finished", 1.0, False, "×", max(begun.values)),
        Finding(f"{people}: longest wait for a next token", 0.1, False, "ms", wait.median),
    ]
    return outcome


def crowd_int8(plan: Plan) -> Outcome:
    """Eight people at once, int8: their rate together and their waits, for which float32 alone has a goal."""
    outcome, crowds = _crowd(plan, Duel("ours int8", "llama.cpp q8_0", 1.2), 2.5, aim=3.0)
    outcome.series.append(Series("longest wait for a next token, int8", "ms", list(map(_longest_wait, crowds))))
    return outcome


def _crowd(plan: Plan, duel: Duel, limit: float, aim: float | None = None) -> tuple[Outcome, list[list[Times]]]:
    """One person, all of them, and all of them without sampling beside a peer; with everybody's times."""
    prompts = [random_ids(PROMPT_TOKENS, person) for person in range(_PEOPLE)]
    alone: list[list[Times]] = []
    together: list[list[Times]] = []
    greedy: dict[str, list[list[Times]]] = {duel.ours: [], duel.peer: []}
    with arena(plan.folder, list(greedy)) as field:
        ours = field.the(duel.ours)
        for _ in range(plan.rounds + 1):
            alone.append(ours.ask("crowd", prompts=prompts[:1], n=plan.new_tokens))
            together.append(ours.ask("crowd", prompts=prompts, n=plan.new_tokens))
            for name, contestant in field.contestants.items():
                greedy[name].append(contestant.ask("greedy_crowd", prompts=prompts, n=plan.new_tokens))
    one, everybody = _rates(f"one person, {duel.ours}", alone), _rates(f"{_PEOPLE} people, {duel.ours}", together)
    among_peers = {name: _rates(f"{_PEOPLE} greedy texts, {name}", kept) for name, kept in greedy.items() if kept}
    speeds = {name: series.median for name, series in among_peers.items()}
    people = f"{_PEOPLE} people at once, {duel.precision}"
    findings = [
        Finding(f"{people}: together / one person's rate", limit, True, "×", everybody.median / one.median, aim=aim),
        duel.finding(f"{people}", speeds, field.missing),
    ]
    return Outcome([one, everybody, *among_peers.values()], findings, missing=field.missing), together[1:]


def reading(plan: Plan) -> Outcome:
    """How long one person waits for a next token while another's long prompt is read."""
    found: list[dict[str, Any]] = []
    other = random_ids(_LONG_PROMPT_TOKENS, 2)
    with arena(plan.folder, [_OURS]) as field:
        for _ in range(plan.rounds + 1):
            found.append(field.the(_OURS).ask("beside", prompt=random_ids(PROMPT_TOKENS), other=other, n_other=1))
    what = f"longest wait for a next token while another's {_LONG_PROMPT_TOKENS:,}-token prompt is read"
    wait = Series(what, "ms", [_longest_wait_within(each) for each in found[1:]])
    prompt = Series("that prompt to its first token", "s", [each["other"][0] - each["asked"] for each in found[1:]])
    return Outcome([wait, prompt], [Finding(what, 0.15, False, "ms", wait.median)])


def past_context(plan: Plan) -> Outcome:
    """One person's rate beside another who is past the context, where every token is a whole context read again."""
    prompt, other = random_ids(PROMPT_TOKENS), random_ids(_CONTEXT_TOKENS, 2)
    alone: list[Times] = []
    found: list[dict[str, Any]] = []
    with arena(plan.folder, [_OURS]) as field:
        ours = field.the(_OURS)
        for _ in range(plan.rounds + 1):
            alone.append(ours.ask("arrivals", prompt=prompt, n=plan.new_tokens + 1))
            found.append(ours.ask("beside", prompt=prompt, other=other, n_other=_TOKENS_PAST_CONTEXT))
    one = Series("one person alone", "tokens/s", list(map(decode_rate, alone[1:])))
    beside = Series("one person beside another past the context", "tokens/s", list(map(_rate_within, found[1:])))
    ratio = median(2 * b / a for a, b in zip(one.values, beside.values, strict=True))
    what = "one person beside another past the context / half of the rate alone"
    return Outcome([one, beside], [Finding(what, 0.7, True, "×", ratio)])


def _rates(what: str, rounds: Sequence[list[Times]]) -> Series:
    """Tokens a second of all people, with the reading of their prompts; the first round was there to warm up."""
    totals = (sum(map(len, people)) / max(times[-1] for times in people) for people in rounds[1:])
    return Series(what, "tokens/s", list(totals))


def _slowest_share(people: list[Times]) -> float:
    """The fewest tokens anybody has, over the mean, at the moment when the first has finished."""
    finish = min(times[-1] for times in people)
    counts = [sum(time <= finish for time in times) for times in people]
    return min(counts) * len(counts) / sum(counts)


def _overlap(people: list[Times]) -> float:
    """When the last of them got a first token, over when the first of them had all."""
    return max(times[0] for times in people) / min(times[-1] for times in people)


def _longest_wait(people: list[Times]) -> float:
    return max(after - before for times in people for before, after in pairwise(times))


def _longest_wait_within(found: dict[str, Any]) -> float:
    """Of the one person, between the other's question and first token."""
    waits = (
        after - before
        for before, after in pairwise(found["one"])
        if after > found["asked"] and before < found["other"][0]
    )
    return max(waits)


def _rate_within(found: dict[str, Any]) -> float:
    """Of the one person, while the other was computing too."""
    begin, end = found["asked"], min(found["one"][-1], found["other"][-1])
    return sum(begin < time <= end for time in found["one"]) / (end - begin)

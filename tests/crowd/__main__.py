"""Loads a host with people of every kind for a while, and prints what it took and how everybody fared.

`tests/crowd/run` starts it.
"""

import argparse
import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import httpx

from tests.crowd.visitors import Findings, Person
from tests.serving import start_app

_QUESTION = {"prompt": "Once upon a time", "max_new_tokens": 20, "seed": 7}
_LONG = {"prompt": "The end of it " * 90, "max_new_tokens": 1_000, "temperature": 1.5}


@dataclass
class Process:
    """What the server's process took, sampled while it ran."""

    pid: int
    megabytes: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def sample(self) -> None:
        """Look at it once; only Linux tells."""
        folder = Path(f"/proc/{self.pid}")
        if folder.is_dir():
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            self.megabytes.append(int(status["VmRSS"].split()[0]) / 1024)
            self.threads.append(int(status["Threads"]))
            self.files.append(len(os.listdir(folder / "fd")))


async def reads(person: Person, expected: list[int]) -> None:
    """A program that checks its answer."""
    answer = await person.ask("program", "generate", **_QUESTION)
    if answer is not None and answer["token_ids"] != expected:
        person.findings.wrong.append(f"/generate gave {answer['token_ids']}")


async def writes_and_branches(person: Person, _: list[int]) -> None:
    """A reader: writes a text, selects a token, chooses another one and branches there."""
    async with person.page() as page:
        page.put("length", 30)
        await page.fire("generate")
        await page.fire("probabilities-strip", "select", index=6)
        await page.fire("candidates", "select", index=257)
        await page.fire("take")


async def changes_the_model(person: Person, _: list[int]) -> None:
    """A reader who asks for another precision and writes with it."""
    async with person.page() as page:
        await page.fire("load-model")
        await page.fire("generate")


async def leaves_half_way(person: Person, _: list[int]) -> None:
    """Closes the page while a text is growing."""
    async with person.page() as page:
        page.put("length", 400)
        await page.fire("generate", leave_after=3)


async def never_reads(person: Person, _: list[int]) -> None:
    """Asks for a long text and does not come for it."""
    await person.call("generate", **_LONG)


async def floods(person: Person, _: list[int]) -> None:
    """Asks for eight long texts at once."""
    events = [await person.call("generate", **_LONG | {"seed": seed}) for seed in range(8)]
    for event in filter(None, events):
        with suppress(asyncio.TimeoutError, TimeoutError):
            await asyncio.wait_for(_to_the_end(person, event), 20)


async def _to_the_end(person: Person, event: str) -> None:
    async for _ in person.read("generate", event):
        pass


# Of fourteen people, so many of each kind.
KINDS: tuple[Callable[[Person, list[int]], Awaitable[None]], ...] = (
    *[reads] * 4,
    *[writes_and_branches] * 4,
    *[changes_the_model] * 1,
    *[leaves_half_way] * 2,
    *[never_reads] * 1,
    *[floods] * 2,
)


async def crowd(server: str, n_people: int, seconds: float, process: Process) -> Findings:
    """Everybody comes, does what they do, and comes again, until the time is over."""
    findings = Findings()
    first = Person(server, 251, Findings())
    expected = (await first.ask("", "generate", **_QUESTION))["token_ids"]
    process.sample()
    deadline = monotonic() + seconds

    async def comes_again(number: int) -> None:
        does = KINDS[number % len(KINDS)]
        while monotonic() < deadline:
            person = Person(server, number, findings)
            async with person.http:
                try:
                    await asyncio.wait_for(does(person, expected), max(1.0, deadline - monotonic() + 60))
                except (httpx.HTTPError, asyncio.TimeoutError, TimeoutError) as error:
                    findings.refuse(f"{type(error).__name__} of one who {does.__name__}")
            await asyncio.sleep(random.uniform(0.2, 3.0))

    async def samples() -> None:
        while True:
            process.sample()
            await asyncio.sleep(1)

    sampling = asyncio.create_task(samples())
    await asyncio.gather(*map(comes_again, range(n_people)))
    sampling.cancel()
    await first.http.aclose()
    return findings


def table(findings: Findings, process: Process) -> str:
    """The findings as Markdown."""
    rows = [("", "at first", "at most", "at last")]
    for name, series in (("memory, MB", process.megabytes), ("threads", process.threads), ("files", process.files)):
        if series:
            rows.append((name, *(f"{value:,.0f}" for value in (series[0], max(series), series[-1]))))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---|---|---|---|")
    lines += ["", "| first token, s | people | median | longest |", "|---|---|---|---|"]
    for kind, waits in sorted(findings.waits.items()):
        ordered = sorted(waits)
        lines.append(f"| {kind} | {len(ordered)} | {ordered[len(ordered) // 2]:.2f} | {ordered[-1]:.2f} |")
    lines += ["", f"{findings.answers} answers, {len(findings.wrong)} wrong, {sum(findings.refused.values())} refused:"]
    lines += [f"- {n} x {why}" for why, n in sorted(findings.refused.items(), key=lambda item: -item[1])]
    return "\n".join([*lines, *findings.wrong[:5]])


def main() -> int:
    """Start the server, load it, print the table; 1 where an answer was wrong or the server ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--model", default="")
    asked = parser.parse_args()
    server, address = start_app("--public", "--trust-proxy", "--model", asked.model)
    process = Process(server.pid)
    try:
        findings = asyncio.run(crowd(address, asked.people, asked.seconds, process))
        alive = server.poll() is None
    finally:
        server.terminate()
        said, _ = server.communicate(timeout=20)
    print(f"{asked.people} people for {asked.seconds:g} s\n\n{table(findings, process)}\n\nThe server's log:\n{said}")
    return int(not alive or bool(findings.wrong) or "Traceback" in said)


if __name__ == "__main__":
    sys.exit(main())

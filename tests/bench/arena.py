"""Contestants side by side: opened once each, asked in turn, round by round, so that a busy moment falls on all.

What cannot take part is kept with the reason, to be named in the result.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contestants import CONTESTANTS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

# Threads that have just worked go on looking for work for some milliseconds.
_PAUSE_SECONDS = 0.1


class Missing(Exception):
    """A contestant that cannot take part, and why."""


class Contestant:
    """A process that has opened a model and waits for requests."""

    def __init__(self, name: str, folder: Path) -> None:
        path = make(folder, CONTESTANTS[name][0])
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - the process writes it until it is closed
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "contestants.py"), name, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._answer()

    def ask(self, method: str, **arguments: Any) -> Any:
        """The answer to one request. Raises Missing when the process has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([method, arguments]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._log.seek(0)
            raise Missing(last_line(self._log.read()))
        return json.loads(line)


@dataclass
class Arena:
    """The contestants that could be opened, and why the others could not."""

    contestants: dict[str, Contestant] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def the(self, name: str) -> Contestant:
        """A contestant that nothing can be measured without. Raises Missing when it could not be opened."""
        if name in self.missing:
            raise Missing(f"{name} could not be opened: {self.missing[name]}")
        return self.contestants[name]

    def rounds(self, n_rounds: int, method: str, **arguments: Any) -> dict[str, list[Any]]:
        """Everybody's n_rounds answers to one request, asked in turn; a first round to warm up is not kept."""
        answers: dict[str, list[Any]] = {name: [] for name in self.contestants}
        for _ in range(n_rounds + 1):
            for name, contestant in self.contestants.items():
                time.sleep(_PAUSE_SECONDS)
                answers[name].append(contestant.ask(method, **arguments))
        return {name: kept[1:] for name, kept in answers.items()}


@contextmanager
def arena(folder: Path, names: Sequence[str]) -> Iterator[Arena]:
    """Open the named contestants, each with its weights from `folder`, and close them in the end."""
    opened = Arena()
    try:
        for name in names:
            try:
                opened.contestants[name] = Contestant(name, folder)
            except Missing as missing:
                opened.missing[name] = str(missing)
        yield opened
    finally:
        for contestant in opened.contestants.values():
            contestant.close()


def run_alone(script: str, *arguments: str) -> Any:
    """What a script of this folder prints as JSON from a fresh process. Raises Missing when it fails."""
    ended = subprocess.run(
        [sys.executable, str(HERE / script), *arguments], check=False, capture_output=True, text=True, cwd=ROOT
    )
    if ended.returncode:
        raise Missing(last_line(ended.stderr))
    return json.loads(ended.stdout.splitlines()[-1])


def last_line(text: str) -> str:
    """What a failed process said in the end, which in Python is the error."""
    return (text.strip().splitlines() or ["it ended without a word"])[-1]


def make(folder: Path, file: str) -> Path:
    """The weights under that name in the folder, made unless they are there. Raises Missing when that fails."""
    for name in dict.fromkeys(("weights", file)):
        if not (folder / name).exists():
            command = [sys.executable, str(HERE / "convert.py"), str(folder), name]
            ended = subprocess.run(command, check=False, capture_output=True, text=True)
            if ended.returncode:
                raise Missing(last_line(ended.stderr))
    return folder / file

"""The log of a training, one JSON object a line: what it is, then losses, rates and samples as they come.

The page draws from it while the training runs; a training that goes on after a stop continues its own log.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from .training_steps import Record

# Short trainings log every step, long ones about so many means over several steps.
N_RECORDS = 1000


class RecordFile:
    """Appends to the log; every line is on disk when `add` returns."""

    def __init__(self, path: Path, about: Mapping[str, Any], steps_done: int, steps: int) -> None:
        """Keep what the log holds of the first `steps_done` steps, and put `about` at its head."""
        self._path = path
        self._every = max(1, steps // N_RECORDS)
        self._losses: list[float] = []
        self._last: Record | None = None
        kept = [record for record in read_records(path)[1] if record["step"] <= steps_done] if steps_done else []
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text("".join(map(_line, [about, *kept])), encoding="utf-8")
        unfinished.replace(path)

    def add(self, record: Record, seen: Mapping[str, Any] | None = None) -> None:
        """Log a step and what was seen at it, its loss averaged over the steps since the last one that was logged."""
        if record.loss is not None:
            self._losses.append(record.loss)
        self._last = record
        if record.heldout_loss is None and record.step % self._every:
            return
        self._write(record, seen)

    def close(self) -> None:
        """Log the last step, too, wherever the training is left."""
        if self._last is not None and self._losses:
            self._write(self._last)

    def _write(self, record: Record, seen: Mapping[str, Any] | None = None) -> None:
        loss = sum(self._losses) / len(self._losses) if self._losses else None
        self._losses.clear()
        found = {**asdict(record), "loss": loss, **(seen or {})}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(found))


def read_records(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a log says of its training, and its records; a line that is still being written is left out."""
    if not path.exists():
        return {}, []
    return _read_records(path, path.stat().st_size, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)  # many watch one training: its log is read once for each change
def _read_records(path: Path, _: int, __: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return (found[0], found[1:]) if found else ({}, [])


def _line(found: Mapping[str, Any]) -> str:
    return json.dumps(found) + "\n"

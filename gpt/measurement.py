"""Measures on this machine what gpt/budget.py predicts, in a process of its own that can be stopped.

The process is gpt/measured_run.py; this side refuses what would not fit, passes on progress and reads the result.
"""

import json
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from .budget import memory_of
from .config import GPTConfig
from .machine import free_memory_bytes
from .measured_run import Measurement
from .workload import Workload

TIME_LIMIT_SECONDS = 300
# Python and torch take some 220 MiB; freed tensors leave gaps, by which a process outgrows its tensors.
_PROCESS_BYTES = 256 * 2**20
_GAPS = 1.25
_HEARTBEAT_SECONDS = 0.2
_ROOT = Path(__file__).parent.parent

# Two at once would count the same free memory. Not bound to a thread: an iterator may be moved between threads.
_one_at_a_time = Lock()


@dataclass(frozen=True)
class Progress:
    """What the measuring process is doing, which share of that is done (0 to 1), and the seconds since its start."""

    stage: str
    share: float
    seconds: float


def check_measurable(config: GPTConfig, workload: Workload) -> None:
    """Raise ValueError when this workload cannot be measured here, and say why."""
    needed = memory_of(config, workload)
    if workload.dtype == "int8":
        raise ValueError("int8 is an estimate only: choose float32, float16 or bfloat16 to measure.")
    free = free_memory_bytes()
    if free is None:
        raise ValueError("How much memory is free cannot be read on this system, so nothing is built.")
    wanted = _GAPS * max(needed.total, needed.peak) + _PROCESS_BYTES
    if wanted > free:
        raise ValueError(
            f"Measuring this would take about {wanted / 2**30:,.1f} GiB and {free / 2**30:,.1f} GiB are free: "
            f"choose a smaller model, batch or length."
        )


def measure(config: GPTConfig, workload: Workload) -> Generator[Progress | Measurement, None, None]:
    """Build and run this configuration in another process: progress several times a second, the findings last.

    Closing the generator ends the process. Raises ValueError when it would not fit, RuntimeError when it fails.
    """
    check_measurable(config, workload)
    if not _one_at_a_time.acquire(blocking=False):
        raise ValueError("Another measurement is running on this machine: try again when it has ended.")
    try:
        yield from _measure(config, workload)
    finally:
        _one_at_a_time.release()


def _measure(config: GPTConfig, workload: Workload) -> Iterator[Progress | Measurement]:
    settings = json.dumps({"config": asdict(config), "workload": asdict(workload)})
    process = subprocess.Popen(
        [sys.executable, "-m", "gpt.measured_run", settings],
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield from _follow(process)
    finally:
        process.kill()
        process.wait()


def _follow(process: "subprocess.Popen[str]") -> Iterator[Progress | Measurement]:
    start = time.monotonic()
    progress = Progress("starting Python and torch", 0.0, 0.0)
    yield progress
    for line in _lines(process):
        seconds = time.monotonic() - start
        message = json.loads(line) if line else {}
        if "result" in message:
            yield Measurement(**message["result"])
            return
        if seconds > TIME_LIMIT_SECONDS:
            raise RuntimeError(f"Stopped after {TIME_LIMIT_SECONDS} seconds: choose a smaller model, batch or length.")
        progress = replace(progress, seconds=seconds, **message)
        yield progress
    raise RuntimeError(_why_it_ended(process.wait()))


def _lines(process: "subprocess.Popen[str]") -> Iterator[str]:
    """The lines a process writes, until it ends; an empty one whenever it has been silent for a while."""
    lines: SimpleQueue[str | None] = SimpleQueue()
    Thread(target=_read, args=(process, lines), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=_HEARTBEAT_SECONDS)
        except Empty:
            line = ""
        if line is None:
            return
        yield line


def _read(process: "subprocess.Popen[str]", lines: "SimpleQueue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _why_it_ended(status: int) -> str:
    if status < 0:
        return f"The system ended the measuring process (signal {-status}), most likely because memory ran out."
    return f"The measuring process failed (exit status {status}): choose a smaller model, batch or length."

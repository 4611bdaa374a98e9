"""Measures on this machine what budget.py estimates, in a separate process that can be stopped.

That process is measured_process.py. This module refuses what would not fit, passes on progress, and reads the result.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryFile
from threading import Lock, Thread
from typing import IO

from ..config import GPTConfig
from .machine import ended_for_memory, free_memory_bytes, has_fast_products, worked_seconds
from .measured_process import Measurement
from .resident_memory import resident_peak
from .workload import Workload

TIME_LIMIT_SECONDS = 300
_PATIENCE = 4  # so many times as long a busy machine may take to let the process work for that time
_MARGIN = 1.1  # the estimate of what a process takes is within a tenth of what was measured
_HEARTBEAT_SECONDS = 0.2
_ROOT = Path(__file__).parents[2]

# Two measurements at once would count the same free memory. A plain Lock, because any thread may release it: an
# iterator may be moved between threads.
_one_at_a_time = Lock()


@dataclass(frozen=True)
class Progress:
    """What the measuring process is doing, which share of that is done (0 to 1), and the seconds since its start."""

    stage: str
    share: float
    seconds: float


@dataclass(frozen=True)
class Limits:
    """What one measurement may take: a share of the free memory, and seconds that its process works."""

    share_of_free: float = 1.0
    seconds: float = TIME_LIMIT_SECONDS


def check_measurable(config: GPTConfig, workload: Workload, limits: Limits = Limits()) -> None:
    """Raise ValueError when this workload cannot be measured here, and say why."""
    process = resident_peak(config, workload)
    if process is None:
        raise ValueError("int8 is an estimate only: choose float32, float16 or bfloat16 to measure.")
    free = free_memory_bytes()
    if free is None:
        raise ValueError("How much memory is free cannot be read on this system, so nothing is built.")
    wanted = _MARGIN * process.value
    if wanted > free * limits.share_of_free:
        share = "" if limits.share_of_free == 1 else f", of which a measurement may take {limits.share_of_free:.1%}"
        raise ValueError(
            f"Measuring this would take about {wanted / 2**30:,.1f} GiB and {free / 2**30:,.1f} GiB are free{share}: "
            f"choose a smaller model, batch or length."
        )


def measure(
    config: GPTConfig,
    workload: Workload,
    limits: Limits = Limits(),
) -> Generator[Progress | Measurement, None, None]:
    """Build and run this configuration in another process. Yields progress several times a second, and the result last.

    Closing the generator ends the process. Raises ValueError when it would not fit, RuntimeError when it fails.
    """
    check_measurable(config, workload, limits)
    if not _one_at_a_time.acquire(blocking=False):
        raise ValueError("Another measurement is running on this machine: try again when it has ended.")
    try:
        yield from _measure(config, workload, limits.seconds)
    finally:
        _one_at_a_time.release()


def slowness(workload: Workload) -> str:
    """A sentence on how fast this processor computes in 16 bits; "" for everything else."""
    if workload.dtype not in ("float16", "bfloat16"):
        return ""
    which = "backward" if workload.mode == "training" else "forward"
    many_times = f"a {which} pass takes many times as long as in float32"
    if has_fast_products(workload.dtype):
        return f"This processor has fast products in {workload.dtype}. On one that has none, {many_times}."
    return f"This processor has no fast products in {workload.dtype}: {many_times}."


def _measure(config: GPTConfig, workload: Workload, most_seconds: float) -> Iterator[Progress | Measurement]:
    settings = json.dumps({"config": asdict(config), "workload": asdict(workload)})
    with TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "gpt.estimates.measured_process", settings],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield from _follow(process, errors, most_seconds)
        finally:
            process.kill()
            process.wait()


def _follow(process: "subprocess.Popen[str]", errors: IO[str], most_seconds: float) -> Iterator[Progress | Measurement]:
    start, ended_before = time.monotonic(), ended_for_memory()
    progress = Progress("starting Python and torch", 0.0, 0.0)
    yield progress
    for line in _lines(process):
        seconds = time.monotonic() - start
        message = json.loads(line) if line else {}
        if "result" in message:
            yield Measurement(**message["result"])
            return
        _check_time(process.pid, seconds, most_seconds)
        progress = replace(progress, seconds=seconds, **message)
        yield progress
    status = process.wait()
    errors.seek(0)
    raise RuntimeError(_why_it_ended(status, errors.read(), ended_for_memory() > ended_before))


def _check_time(pid: int, seconds: float, most_seconds: float) -> None:
    """Raise RuntimeError when the process has worked for too long, or the machine does not let it work."""
    worked = worked_seconds(pid)
    if (seconds if worked is None else worked) > most_seconds:
        had = "had run" if worked is None else "had worked"  # other programs may have kept it waiting
        raise RuntimeError(
            f"Stopped, because it {had} for {most_seconds:.0f} seconds: choose a smaller model, batch or length."
        )
    if worked is not None and seconds > _PATIENCE * most_seconds:
        raise RuntimeError(
            f"Stopped, because in {seconds:.0f} seconds this busy machine let it work for {worked:.0f}: try again when "
            f"less is going on."
        )


def _lines(process: "subprocess.Popen[str]") -> Iterator[str]:
    """The lines that a process writes, until it ends. An empty line means that it has written nothing for a while."""
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


def _why_it_ended(status: int, errors: str, memory_ran_out: bool) -> str:
    if status == -signal.SIGKILL and memory_ran_out:
        return "Memory ran out, so the system ended the measuring process: choose a smaller model, batch or length."
    if status < 0:
        return f"The measuring process was ended from outside ({signal.Signals(-status).name}): start it again."
    last_line = errors.strip().rpartition("\n")[2]
    return f"The measuring process failed with exit status {status}: {last_line or 'it did not say why'}."

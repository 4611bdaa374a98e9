"""The command line `python -m gpt.training`: checks everything, trains, and says where the model is.

Nothing is written before every input has been found usable.
"""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType

import torch

from ..files.layouts import WeightsError
from .command_options import parser
from .parallel_processes import Processes, joined
from .training_job import Job, check_device, prepare
from .training_progress import Bar, Lines, Progress
from .training_run import Diverged, finish, run
from .training_steps import is_finished


def main(arguments: list[str] | None = None) -> None:
    """The command line; run again with the same arguments it goes on where it was."""
    made = parser()
    options = made.parse_args(arguments)
    try:
        device = check_device(options.device)
    except ValueError as error:
        made.error(str(error))
    with joined(device.type) as processes:
        job = _prepared(made, options, device, processes)
        with _signals_that_stop() as stop:
            _train(job, stop)


def _prepared(
    made: argparse.ArgumentParser, options: argparse.Namespace, device: torch.device, processes: Processes
) -> Job:
    try:
        return prepare(options, device, processes)
    except (ValueError, WeightsError) as error:
        if not processes.is_first:
            sys.exit(2)  # only the first process prints it
        made.error(str(error))


def _train(job: Job, stop: Event) -> None:
    training = job.training
    if is_finished(training, job.plan) and training.written_at == training.steps_done:
        if training.processes.is_first:
            print(f"{job.folder.path} holds this training, finished after {training.steps_done} steps.")
        return
    progress = _progress(job)
    try:
        run(job, stop, progress)
    except Diverged as error:
        sys.exit(str(error))
    finally:
        progress.close()
    if not training.processes.is_first:
        return
    if not is_finished(training, job.plan):
        print(f"Stopped after step {training.steps_done}: run the same command again to go on.")
        return
    loss = finish(job)
    assert training.best is not None
    print(
        f"Held-out loss {loss:.4f} nats per token, at step {training.best['step']} of {training.steps_done}. "
        f"The model is in {job.folder.path}; open it with: {opening(job.folder.path)}"
    )


def opening(folder: Path) -> str:
    """The command that opens a model."""
    app = os.path.relpath(Path(__file__).parents[2] / "app.py")
    return f"python {shlex.quote(app)} --model {shlex.quote(str(folder))}"


def _progress(job: Job) -> Progress:
    done, steps = job.training.steps_done, job.plan.schedule.steps
    return Bar(done, steps) if sys.stderr.isatty() else Lines(steps, job.training.tokens_seen)


@contextmanager
def _signals_that_stop() -> Iterator[Event]:
    """An event that Ctrl-C and SIGTERM set: an exception in the middle of a step would leave half of it done.

    A second one ends the process as usual.
    """
    stop, before = Event(), {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def set_once(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, set_once)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

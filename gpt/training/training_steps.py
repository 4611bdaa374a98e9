"""A training from where it stands to its end: steps, held-out points between them, and reasons to stop."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

from torch import Tensor

from .schedule import Plan
from .training_state import Training


@dataclass(frozen=True)
class Record:
    """What is known after `step` steps; the first one, before any step, has only the held-out loss."""

    step: int
    tokens_seen: int
    loss: float | None = None  # of the step's batch, nats per token
    rate: float | None = None
    gradient_norm: float | None = None
    seconds: float = 0.0  # of the step
    heldout_loss: float | None = None  # where this is a held-out point
    is_best: bool = False  # whether that is the lowest so far


def train(training: Training, plan: Plan, held_out: Tensor, stop: Event) -> Iterator[Record]:
    """Take steps until the plan's end, or until `stop` is set in one of the processes; a record follows each step.

    A caller that takes no further record pauses the training. Only the first process measures and yields records.
    """
    speaks = training.processes.is_first
    if speaks and not training.points:
        yield Record(training.steps_done, training.tokens_seen, heldout_loss=training.measure(held_out), is_best=True)
    while training.steps_done < plan.schedule.steps:
        if training.processes.any(stop.is_set() or ran_out_of_patience(training, plan)):
            return
        done = training.step(plan.schedule)
        if not speaks:
            continue
        loss = training.measure(held_out) if plan.is_point(training.steps_done) else None
        yield Record(
            step=training.steps_done,
            tokens_seen=training.tokens_seen,
            **vars(done),
            heldout_loss=loss,
            is_best=loss is not None and training.points_since_best == 0,
        )


def ran_out_of_patience(training: Training, plan: Plan) -> bool:
    """Whether too many held-out points in a row were no better than the best one."""
    return plan.patience is not None and training.points_since_best >= plan.patience


def is_finished(training: Training, plan: Plan) -> bool:
    """Whether there is no further step to take."""
    return training.steps_done >= plan.schedule.steps or ran_out_of_patience(training, plan)

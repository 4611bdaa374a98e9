"""How far to train, how fast, and when to measure: the settings of a training that are not the model's."""

from dataclasses import dataclass
from math import isfinite

N_POINTS = 10  # held-out points of a training that does not say how many it wants
_MOST = 1_000_000_000


@dataclass(frozen=True)
class Schedule:
    """The rate warms up, stays, and falls to zero over the last steps.

    Raises ValueError for impossible settings.
    """

    steps: int
    cooldown_steps: int
    batch_size: int = 16  # windows of the model's context in a step, of all processes together
    peak_rate: float = 6e-3
    warmup_steps: int = 0
    weight_decay: float = 0.05

    def __post_init__(self) -> None:
        _check_whole("steps", self.steps, 1)
        _check_whole("cooldown_steps", self.cooldown_steps, 0)
        _check_whole("batch_size", self.batch_size, 1)
        _check_whole("warmup_steps", self.warmup_steps, 0)
        if not (isfinite(self.peak_rate) and self.peak_rate > 0):
            raise ValueError(f"The rate is {self.peak_rate}: choose a number above 0, such as 0.003.")
        if not (isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"The weight decay is {self.weight_decay}: choose a number of 0 or more, such as 0.05.")

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warmed = (step + 1) / (self.warmup_steps + 1)
        left = (self.steps - step) / (self.cooldown_steps + 1)
        return self.peak_rate * min(1.0, warmed, left)


@dataclass(frozen=True)
class Plan:
    """A schedule, and when to measure.

    A held-out point every `evaluate_every` steps, before the first and after the last. With a patience, the training
    ends after that many points in a row that are not better than the best. Raises ValueError for other numbers.
    """

    schedule: Schedule
    evaluate_every: int
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.evaluate_every < 1:
            raise ValueError(f"evaluate_every is {self.evaluate_every}: choose a number of steps, 1 or more.")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience is {self.patience}: choose a number of held-out points, 1 or more.")

    def is_point(self, steps_done: int) -> bool:
        """Whether the held-out loss is measured after so many steps."""
        return steps_done % self.evaluate_every == 0 or steps_done == self.schedule.steps


def _check_whole(name: str, value: int, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST:
        raise ValueError(f"{name} is {value}: choose a whole number from {least} to {_MOST:,}.")

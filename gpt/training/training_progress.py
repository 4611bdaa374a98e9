"""How a training is shown where it was started: a bar on a terminal, lines in a log."""

import sys
from time import monotonic
from typing import Protocol

from tqdm import tqdm

from .training_steps import Record

SECONDS_BETWEEN_LINES = 10
_NARROW = 66  # columns; below, times and speed would be cut off, and with them the loss
_SHORT = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}"


class Progress(Protocol):
    """What both ways of showing a training have in common."""

    def show(self, record: Record) -> None:
        """One step further."""

    def say(self, line: str) -> None:
        """A line that stays."""

    def close(self) -> None:
        """The end of the training."""


class Bar:
    """A bar with the loss behind it, as wide as the terminal is at every step."""

    def __init__(self, steps_done: int, steps: int) -> None:
        self._bar = tqdm(total=steps, initial=steps_done, unit="step", dynamic_ncols=True)

    def show(self, record: Record) -> None:
        """One step further."""
        if record.loss is not None:
            columns = self._bar.format_dict["ncols"]
            self._bar.bar_format = _SHORT if columns is not None and columns < _NARROW else None
            self._bar.set_postfix_str(f"loss {record.loss:.3f}", refresh=False)
            self._bar.update()

    def say(self, line: str) -> None:
        """A line that stays, above the bar."""
        self._bar.write(line, file=sys.stdout)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


class Lines:
    """A line every SECONDS_BETWEEN_LINES: means over the steps since the one before."""

    def __init__(self, steps: int, tokens_seen: int) -> None:
        self._steps, self._tokens_seen = steps, tokens_seen
        self._records: list[Record] = []
        self._last = monotonic()

    def show(self, record: Record) -> None:
        """Count the step, and print when it is time."""
        if record.loss is None:
            return
        self._records.append(record)
        if monotonic() - self._last > SECONDS_BETWEEN_LINES:
            self.say(self._summary())
            self._records, self._tokens_seen, self._last = [], record.tokens_seen, monotonic()

    def _summary(self) -> str:
        n, last = len(self._records), self._records[-1]
        seconds = sum(record.seconds for record in self._records)
        loss = sum(record.loss or 0.0 for record in self._records) / n
        speed = (last.tokens_seen - self._tokens_seen) / seconds
        left = (self._steps - last.step) * seconds / n
        return f"step {last.step} of {self._steps}: loss {loss:.3f}, {speed:,.0f} tokens/s, {time_left(left)} left"

    def say(self, line: str) -> None:
        """Print at once, also into a pipe."""
        print(line, flush=True)

    def close(self) -> None:
        """Nothing is left open."""


def time_left(seconds: float) -> str:
    """A duration for people: "40 seconds", "12 minutes", "3.5 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"

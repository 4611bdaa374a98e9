"""What the benchmark found, as data: series of measurements, and what they say about the goals.

Nothing here measures; nothing here is written by hand either.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

_FORMATS: dict[str, Callable[[float], str]] = {
    "×": lambda value: f"{value:.2f} ×",
    "%": lambda value: f"{100 * value:.2f} %",
    "nats": lambda value: f"{value:.4f} nats",
    "tokens/s": lambda value: f"{value:.1f} tokens/s",
    "ms": lambda value: f"{1000 * value:.1f} ms",
    "s": lambda value: f"{value:.2f} s",
    "MB": lambda value: f"{value / 1e6:.0f} MB",
}


@dataclass(frozen=True)
class Plan:
    """What was asked for: where weights are kept, how often to measure, how many tokens, which text."""

    folder: Path
    rounds: int
    new_tokens: int
    quality_tokens: int
    text: Path | None


@dataclass(frozen=True)
class Series:
    """One figure of one contestant, measured once a round."""

    what: str
    unit: str
    values: list[float]

    @property
    def median(self) -> float:
        """The figure that ratios are made of."""
        return median(self.values)


@dataclass(frozen=True)
class Finding:
    """A goal, and the figure that meets it or not; without a figure, why there is none. `aim` lies beyond the goal."""

    what: str
    limit: float
    at_least: bool
    unit: str
    value: float | None = None
    why_not: str = ""
    aim: float | None = None

    @property
    def goal(self) -> str:
        """The goal in words."""
        aim = "" if self.aim is None else f" (aim: {show(self.aim, self.unit)})"
        return f"{self.what} {'≥' if self.at_least else '≤'} {show(self.limit, self.unit)}{aim}"

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None when nothing was measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass
class Outcome:
    """All that one row of the benchmark found; `missing` names who could not take part, and why.

    `failure` says why nothing could be found.
    """

    series: list[Series] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    failure: str = ""


def show(value: float, unit: str) -> str:
    """A figure in its unit; shares are kept as fractions, times in seconds, memory in bytes."""
    return _FORMATS[unit](value)

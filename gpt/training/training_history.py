"""A training from its first step on, as it is shown: what was measured, and looks inside at the steps it has kept.

It is read from the bundled recording, or from the folder of a training, also while that runs.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log
from pathlib import Path
from typing import Any

from .inner_look import InnerLook, from_json, look_at_folder
from .output_folder import OutputFolder
from .training_log import read_records

PATH = Path(__file__).parents[2] / "assets" / "recorded_training.json"

Record = Mapping[str, Any]
_N_TIMED = 20  # latest steps, whose times give the present speed


@dataclass(frozen=True, eq=False)
class History:
    """The head of a training's log, its records, the steps it has kept, and how to look inside at one of them."""

    about: Mapping[str, Any]
    records: Sequence[Record]
    kept_steps: tuple[int, ...]
    look: Callable[[int], InnerLook]
    passing_step: int | None = None  # kept only because the training was paused there; deleted when it goes on

    @property
    def points(self) -> list[Record]:
        """The records with a held-out loss."""
        return [record for record in self.records if record.get("heldout_loss") is not None]

    @property
    def steps_done(self) -> int:
        """The last step that is in the log."""
        return int(self.records[-1]["step"]) if self.records else 0

    @property
    def latest_seconds(self) -> list[float]:
        """How long each of the latest steps took; empty before the first."""
        return [record["seconds"] for record in self.records[-_N_TIMED:] if record.get("loss") is not None]

    @property
    def steps_planned(self) -> int:
        """How many steps it is to take in all."""
        return int(self.about["plan"]["schedule"]["steps"])

    @property
    def even_loss(self) -> float:
        """The loss (nats) of a reader for whom all tokens are equally likely: ln of the size of the vocabulary."""
        return log(self.about["config"]["vocab_size"])

    def nearest_kept(self, step: int) -> int | None:
        """The kept step nearest to a step; None before the first is kept."""
        return min(self.kept_steps, key=lambda kept: abs(kept - step), default=None)

    def point_at(self, step: int) -> Record | None:
        """The held-out point nearest to a step; None before there is one."""
        return min(self.points, key=lambda point: abs(point["step"] - step), default=None)


@lru_cache(maxsize=1)
def recorded_history() -> History:
    """The bundled recording."""
    found = json.loads(PATH.read_text(encoding="utf-8"))
    looks = {kept["step"]: from_json(kept) for kept in found["looks"]}
    return History(found["about"], found["records"], tuple(looks), looks.__getitem__)


def history_in(folder: Path) -> History | None:
    """A training in a folder as it stands now; None before it has written the head of its log."""
    output = OutputFolder(folder)
    about, records = read_records(output.records)
    if not about:
        return None
    return History(
        about,
        records,
        tuple(output.kept_steps()),
        lambda step: _look_at(output.kept_step(step), about["prompt"], step),
        output.passing_step(),
    )


@lru_cache(maxsize=64)
def _look_at(folder: Path, prompt: str, step: int) -> InnerLook:
    return look_at_folder(folder, prompt, step)

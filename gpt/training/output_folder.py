"""The folder of a training: the finished model and its card, and what it takes to go on or to look back."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from ..files.vocabularies import FILE_NAMES

_PASSING = ".passing"


@dataclass(frozen=True)
class OutputFolder:
    """Where each file of a training lies under `path`."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        """All that the training depends on, as it was up to a minute ago."""
        return self.path / ".checkpoints" / "last.pt"

    @property
    def records(self) -> Path:
        """The log of losses, rates and samples."""
        return self.path / "records.jsonl"

    @property
    def card(self) -> Path:
        """What the model is, for whoever finds the folder."""
        return self.path / "README.md"

    def kept_step(self, step: int) -> Path:
        """A folder with the model as it was after so many steps."""
        return self.path / "steps" / f"{step:06d}"

    def kept_steps(self) -> list[int]:
        """The steps whose models were kept and are complete."""
        return sorted(int(each.parent.name) for each in (self.path / "steps").glob("*/model.safetensors"))

    def passing_step(self) -> int | None:
        """The step that was kept only because the training was paused there; None without one."""
        return next((int(mark.parent.name) for mark in self._passing_marks()), None)

    def mark_as_passing(self, step: int) -> None:
        """Mark a kept step: it is deleted when the training goes on."""
        (self.kept_step(step) / _PASSING).touch()

    def drop_passing(self) -> None:
        """Delete the step that was kept only because the training was paused there."""
        for mark in self._passing_marks():
            rmtree(mark.parent)

    def _passing_marks(self) -> list[Path]:
        return list((self.path / "steps").glob(f"*/{_PASSING}"))

    def check_usable(self) -> None:
        """Raise ValueError when a training cannot write here; nothing is left behind."""
        try:
            is_there = self.path.exists()
        except OSError as error:
            raise ValueError(f"--out cannot be written ({error.strerror}): choose another folder.") from None
        if is_there and not self.path.is_dir():
            raise ValueError(f"--out {self.path} is a file: give the folder that the model is to be written to.")
        if (self.path / "model.safetensors").exists() and not self.checkpoint.exists():
            raise ValueError(
                f"--out {self.path} holds a model without a checkpoint to go on from: choose another folder, or "
                f"delete this one."
            )
        others = [name for name in ("README.md", "config.json", *FILE_NAMES) if (self.path / name).exists()]
        if others and not self.checkpoint.exists():
            raise ValueError(
                f"--out {self.path} holds a {others[0]} that no training has written, and the model's would replace "
                f"it or disagree with it: choose another folder."
            )
        nearest = next(folder for folder in (self.path, *self.path.absolute().parents) if folder.exists())
        try:
            with tempfile.TemporaryFile(dir=nearest):
                pass
        except OSError as error:
            raise ValueError(
                f"--out {self.path} cannot be written, because {nearest} takes no new file ({error.strerror}): choose "
                f"another folder."
            ) from None


def steps_to_keep(steps: int, n: int) -> list[int]:
    """n of the steps from 0 to `steps`, both among them, evenly spaced by their logarithm; fewer of a short run."""
    if n <= 2:
        return [steps, 0][:n][::-1]
    return sorted({0, *(round(steps ** (i / (n - 2))) for i in range(n - 1))})

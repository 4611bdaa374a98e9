"""What the page asks the trainer for: a text, perhaps one to measure by, and options of the command line.

Texts that were pasted are written to files first, as the command line reads only files.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PASTED = Path("pasted.txt")
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Asked:
    """`text` is a file, or the text itself; `held_out` is a text, "" to measure by the end of `text`."""

    text: Path | str
    options: Sequence[str]
    held_out: str = ""

    @property
    def name(self) -> str:
        """After the text's file: letters, digits, - and _ alone."""
        stem = self.text.stem if isinstance(self.text, Path) else _PASTED.stem
        return re.sub(r"[^\w-]+", "-", stem)[:_LONGEST_NAME] or "text"

    def arguments(self, folder: Path) -> list[str]:
        """The command line without --out; texts that are no files are written into the folder."""
        text = self.text if isinstance(self.text, Path) else _written(self.text, folder / _PASTED)
        held_out = ["--held-out", _written(self.held_out, folder / "held-out.txt")] if self.held_out else []
        return [str(text), *held_out, *self.options]


def _written(text: str, path: Path) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)

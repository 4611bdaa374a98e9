"""The bundled recording of a training: what was measured while a small model learned the bundled stories.

`python -m gpt.training.record_run FOLDER` trains it in that folder, or goes on there, and writes the recording.
"""

import json
import sys
from pathlib import Path
from typing import Any

from .command_line import main as train
from .inner_look import as_json, look_at_folder
from .output_folder import OutputFolder
from .stories import PATH as STORIES
from .suited_sizes import SMALLEST
from .training_history import PATH
from .training_log import read_records

# The next word repeats an earlier sentence: only a model that looks back knows the colour.
PROMPT = "Anna lives in the city. She has a red ball. One day she walks to the lake. She meets Ben there. Ben likes the"
_N_POINTS, _N_KEPT = 30, 12
_DIGITS = 5


def record(folder: Path) -> dict[str, Any]:
    """The recording of a training in a folder: head of its log, records, and a look at each step that it kept."""
    found = OutputFolder(folder)
    about, records = read_records(found.records)
    looks = [as_json(look_at_folder(found.kept_step(step), about["prompt"], step)) for step in found.kept_steps()]
    return {"about": about, "records": [_short(each) for each in records], "looks": looks}


def _short(found: dict[str, Any]) -> dict[str, Any]:
    """A record without what it does not have, its numbers rounded."""
    return {
        name: round(value, _DIGITS) if isinstance(value, float) else value
        for name, value in found.items()
        if value is not None
    }


def main() -> None:
    """Train, look, write."""
    folder = Path(sys.argv[1])
    options = {**SMALLEST, "evaluate_every": SMALLEST["steps"] // _N_POINTS, "keep_steps": _N_KEPT, "prompt": PROMPT}
    given = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    train([str(STORIES), "--out", str(folder), *given])
    PATH.write_text(json.dumps(record(folder), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What opening a float32 file takes: `python tests/bench/opening.py ours|transformers WHAT FOLDER` prints JSON.

WHAT it is opened for is the "first forward" pass of the chapter's model, or the "first token" of a generation.
Importing the library is not counted; what memory the process held before opening is taken off.
"""

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from gpt import generate, load_model

_STATUS = Path("/proc/self/status")  # of Linux: elsewhere this row fails, and says so
_IDS = [[6109, 3626, 6100, 345]]  # the chapter's "Every effort moves you"


class Ours:
    """This project, as `import gpt` offers it."""

    def open(self, folder: str) -> Any:
        return load_model(folder)

    def token(self, model: Any, ids: torch.Tensor) -> None:
        next(generate(model, ids, 1, temperature=0))


class Transformers:
    """The same by Hugging Face's library, which may be missing."""

    def __init__(self) -> None:
        from transformers import GPT2LMHeadModel  # noqa: PLC0415

        self.model_class = GPT2LMHeadModel

    def open(self, folder: str) -> Any:
        return self.model_class.from_pretrained(folder, dtype=torch.float32).eval()

    def token(self, model: Any, ids: torch.Tensor) -> None:
        model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=1, pad_token_id=0)


@torch.inference_mode()
def main(who: str, what: str, folder: str) -> None:
    """Print the seconds, and how far resident memory rose on the way above what it was before."""
    opener, ids = Ours() if who == "ours" else Transformers(), torch.tensor(_IDS)
    before = _status_bytes("VmRSS:")
    start = perf_counter()
    model = opener.open(folder)
    if what == "first forward":
        model(ids)
    else:
        opener.token(model, ids)
    seconds = perf_counter() - start
    print(json.dumps({"seconds": seconds, "grown_bytes": _status_bytes("VmHWM:") - before}))


def _status_bytes(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"{_STATUS} has no line {name!r}.")


if __name__ == "__main__":
    main(*sys.argv[1:])

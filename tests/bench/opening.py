"""From a float32 file to a first forward pass: `python tests/bench/opening.py ours|transformers FOLDER` prints JSON.

Importing the library is not counted; what memory the process held before opening is taken off.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from gpt import load_model

_STATUS = Path("/proc/self/status")  # of Linux: elsewhere this row fails, and says so
_IDS = [[6109, 3626, 6100, 345]]  # the chapter's "Every effort moves you"


def _opener(who: str) -> Callable[[str], torch.nn.Module]:
    if who == "ours":
        return load_model
    from transformers import GPT2LMHeadModel  # noqa: PLC0415 - a peer that may be missing

    return lambda folder: GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()


@torch.inference_mode()
def main(who: str, folder: str) -> None:
    """Print the seconds, and how far resident memory rose on the way above what it was before."""
    open_model, ids = _opener(who), torch.tensor(_IDS)
    before = _status_bytes("VmRSS:")
    start = perf_counter()
    open_model(folder)(ids)
    seconds = perf_counter() - start
    print(json.dumps({"seconds": seconds, "grown_bytes": _status_bytes("VmHWM:") - before}))


def _status_bytes(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"{_STATUS} has no line {name!r}.")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

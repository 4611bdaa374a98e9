"""One contestant in a process of its own, so that memory and threads do not mix; it answers until its input ends.

`python tests/bench/contestants.py NAME PATH`: a request is a line [method, arguments], an answer a line of JSON.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers import CTranslate2, LlamaCpp, Transformers


def _ours(path: Path, precision: str) -> Any:
    from ours import Ours  # noqa: PLC0415 - brings torch, which not every contestant is to carry

    from gpt import load_model  # noqa: PLC0415

    return Ours(load_model(path, precision))


def _bundled(_: Path) -> Any:
    from ours import Ours  # noqa: PLC0415

    from gpt.library import STORYTELLER, Library  # noqa: PLC0415

    return Ours(Library(STORYTELLER).get().model)


# What a contestant opens, by the name convert.py makes it under, and how.
CONTESTANTS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "ours float32": ("weights", lambda path: _ours(path, "float32")),
    "ours bfloat16": ("weights", lambda path: _ours(path, "bfloat16")),
    "ours int8": ("weights", lambda path: _ours(path, "int8")),
    "ours bundled": ("weights", _bundled),  # brings its own
    "transformers float32": ("weights", Transformers),
    "llama.cpp f32": ("f32.gguf", LlamaCpp),
    "llama.cpp q8_0": ("q8_0.gguf", LlamaCpp),
    "ctranslate2 float32": ("ctranslate2", lambda path: CTranslate2(path, "float32")),
    "ctranslate2 int8": ("ctranslate2", lambda path: CTranslate2(path, "int8")),
}


def main(name: str, path: Path) -> None:
    """Open the model, say so, then answer one request after the other."""
    # Libraries print where they like: only answers go where the benchmark reads them.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    contestant = CONTESTANTS[name][1](path)
    print(json.dumps("open"), file=answers, flush=True)
    for line in sys.stdin:
        method, arguments = json.loads(line)
        print(json.dumps(getattr(contestant, method)(**arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

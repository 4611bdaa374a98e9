"""One contestant in a process of its own, so that memory and threads do not mix; it answers until its input ends.

`python tests/bench/contestants.py NAME PATH`: a request is a line [method, arguments], an answer a line of JSON.
"""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from peers import AVX2_BUILD, CTranslate2, LlamaCpp, Transformers

EARLIER = "commit 9d9bede"  # whose bundled model today's is compared with
# What compilers call a processor with AVX2 and without AVX-512.
_AVX2_PROCESSOR = "x86-64-v3"


def _ours(path: Path, precision: str) -> Any:
    from ours import Ours  # noqa: PLC0415 - brings torch, which not every contestant is to carry

    from gpt import load_model  # noqa: PLC0415

    return Ours(load_model(path, precision))


def _ours_for(processor: str, path: Path, precision: str) -> Any:
    """The same with the library built for a processor that is not this one."""
    import ours  # noqa: F401, PLC0415 - it knows where gpt is

    from gpt.engine import compiled  # noqa: PLC0415

    compiled.open_library = partial(compiled.open_library, processor)
    if compiled.compiled_library() is None:
        raise RuntimeError(compiled.why_not_compiled())
    return _ours(path, precision)


def _llama_cpp_for_avx2(path: Path) -> Any:
    if not AVX2_BUILD.is_dir():
        raise RuntimeError("tests/bench/run has not built it")
    sys.path.insert(0, str(AVX2_BUILD))
    return LlamaCpp(path)


def _bundled(_: Path) -> Any:
    from ours import Ours  # noqa: PLC0415

    from gpt.library import STORYTELLER, Library  # noqa: PLC0415

    return Ours(Library(STORYTELLER).get().model)


def _bundled_before(commit: Path) -> Any:
    """The same with the code of an earlier commit, laid out in that folder: both gpt and ours.py are its own."""
    sys.path[:0] = [str(commit), str(commit / "tests" / "bench")]
    return _bundled(commit)


# What a contestant opens, by the name convert.py makes it under, and how.
CONTESTANTS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "ours float32": ("weights", lambda path: _ours(path, "float32")),
    "ours bfloat16": ("weights", lambda path: _ours(path, "bfloat16")),
    "ours int8": ("weights", lambda path: _ours(path, "int8")),
    "ours int8 for AVX2": ("weights", lambda path: _ours_for(_AVX2_PROCESSOR, path, "int8")),
    "ours bundled": ("weights", _bundled),  # brings its own
    EARLIER: ("earlier", _bundled_before),
    "transformers float32": ("weights", Transformers),
    "llama.cpp f32": ("f32.gguf", LlamaCpp),
    "llama.cpp q8_0": ("q8_0.gguf", LlamaCpp),
    "llama.cpp q8_0 for AVX2": ("q8_0.gguf", _llama_cpp_for_avx2),
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

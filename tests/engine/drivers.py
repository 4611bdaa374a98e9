"""Compiles the C drivers of tests/engine/c, which try the engine's C files without Python in the process."""

import subprocess
from pathlib import Path

import pytest

from gpt.engine import build

HERE = Path(__file__).parent / "c"
# Sums as in the library, but compiled quickly.
_FLAGS = [flag for flag in build._FLAGS if not flag.startswith("-O")] + ["-O1", "-g", "-include", "stdint.h"]


def driver(name: str, folder: Path, *flags: str, with_engine: bool = True) -> Path:
    """The program made of c/NAME.c, with all C files of the engine or by itself."""
    made = folder / name
    sources = [HERE / f"{name}.c", *(sorted(build.FOLDER.glob("*.c")) if with_engine else [])]
    command = ["cc", *_FLAGS, f"-I{build.FOLDER}", *flags, *map(str, sources), "-o", str(made), "-lm", "-lpthread"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return made


def needs_sanitizer(folder: Path, sanitizer: str) -> None:
    """Skip the test where the compiler has no such sanitizer."""
    source = folder / "nothing.c"
    source.write_text("int main(void) { return 0; }\n")
    command = ["cc", f"-fsanitize={sanitizer}", str(source), "-o", str(folder / "nothing")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"this compiler has no -fsanitize={sanitizer}")


def run(program: Path, *arguments: object, seconds: float = 120) -> str:
    """What a driver prints; what goes wrong in it fails the test."""
    ended = subprocess.run(
        [str(program), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=seconds
    )
    assert ended.returncode == 0, ended.stderr[-5000:]
    return ended.stdout

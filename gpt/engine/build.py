"""Compiles the C files in c/ for this processor and keeps the result for later processes.

What is kept is written to a temporary file, synced and renamed, and its length and digest are checked before use.
"""

import contextlib
import hashlib
import logging
import os
import platform
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

_log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "c"
_KEPT_IN = FOLDER / "__pycache__"
_CPUINFO = Path("/proc/cpuinfo")
_COMPILERS = ("cc", "gcc", "clang")
_TIME_LIMIT_SECONDS = 60
_STALE_SECONDS = 600  # a temporary file this old belongs to no process that is still writing it
# No sum is regrouped and no multiply-add is fused but where the code says so: the bits do not depend on the compiler,
# nor on what CC asks of it (-ffast-math, which some compilers do unasked).
_EXACT = ("-fno-fast-math", "-fno-unsafe-math-optimizations", "-fno-associative-math", "-ffp-contract=off")
_FLAGS = ("-std=c11", "-O3", "-fPIC", "-D_GNU_SOURCE", *_EXACT, "-fno-math-errno", "-fno-trapping-math")


class BuildError(Exception):
    """Why there is no library: no compiler, or one that failed."""


@contextlib.contextmanager
def library_file(processor: str = "native") -> Iterator[Path]:
    """The path of the library for `-march=processor`, there as long as the context is. Raises BuildError."""
    compiler = _compiler()
    flags = [*_FLAGS, f"-march={processor}"]
    kept = _KEPT_IN / f"engine-{_key(compiler, flags)}.so"
    if _is_whole(kept):
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="gpt-engine-") as folder:
        made = Path(folder) / kept.name
        compile_to(made, compiler, flags)
        yield kept if _keep(made, kept) else made


def compile_to(library: Path, compiler: list[str], flags: list[str]) -> None:
    """Compile all C files into one library, with temporary files in its folder. Raises BuildError."""
    sources = sorted(map(str, FOLDER.glob("*.c")))
    command = [*compiler, *flags, "-shared", *sources, "-o", str(library), "-lm", "-lpthread"]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            # A compiler that is ended leaves its temporary files behind.
            env=os.environ | dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(library.parent)),
        )
    except OSError as error:
        raise BuildError(f"{compiler[0]} cannot be started: {error}.") from error
    with process:
        try:
            _, said = process.communicate(timeout=_TIME_LIMIT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise BuildError(f"{compiler[0]} was not done after {_TIME_LIMIT_SECONDS} seconds.") from error
        finally:
            if process.returncode is None:
                _end(process)
    if process.returncode:
        quoted = said.decode(errors="replace").strip()[:500] or "it said nothing."
        raise BuildError(f"{compiler[0]} failed with code {process.returncode}: {quoted}")


def _compiler() -> list[str]:
    named = shlex.split(os.environ.get("CC", ""))
    found = named or [name for name in _COMPILERS if shutil.which(name)][:1]
    if not found:
        raise BuildError("There is no C compiler (cc).")
    return found


def _key(compiler: list[str], flags: list[str]) -> str:
    sources = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.[ch]"))]
    text = "\0".join([*sources, *compiler, *flags, _processor()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _processor() -> str:
    """What the processor can do: code compiled on one need not run on another."""
    if _CPUINFO.exists():
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
        return "".join(sorted({line for line in lines if line.lower().startswith(("flags", "features", "model name"))}))
    return platform.machine() + platform.processor()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a compiler and whatever it started: its whole group, which may be there when it is gone."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


# Keeping


def _is_whole(kept: Path) -> bool:
    """Whether the kept library is what was once written: a damaged one would end the process when it is opened."""
    try:
        content, expected = kept.read_bytes(), _digest_file(kept).read_bytes()
    except OSError:
        return False
    if _digest(content) == expected:
        return True
    _log.warning("The compiled library %s is damaged: it is built again.", kept.name)
    return False


def _digest(content: bytes) -> bytes:
    return f"{len(content)} {hashlib.sha256(content).hexdigest()}".encode()


def _digest_file(kept: Path) -> Path:
    return kept.with_suffix(".digest")


def _keep(made: Path, kept: Path) -> bool:
    """Copy the library to where later processes look for it. False where that folder cannot be written to."""
    content = made.read_bytes()
    try:
        kept.parent.mkdir(exist_ok=True)
        _remove_stale(kept.parent)
        _replace(kept, content)
        _replace(_digest_file(kept), _digest(content))
    except OSError as error:
        _log.debug("%s is not kept: %s", kept, error)
        return False
    return True


def _replace(path: Path, content: bytes) -> None:
    # Not the process's number: two containers that share this folder may have the same.
    temporary = path.with_name(f"{path.name}.{uuid4().hex}.unfinished")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _remove_stale(folder: Path) -> None:
    for left in folder.glob("*.unfinished"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                left.unlink()

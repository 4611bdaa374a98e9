"""The compiled library: opened once in a process, after it has shown that it computes what torch computes.

`compiled_library` is None where there is no C compiler or no processor that the code is written for.
"""

import atexit
import logging
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from cffi import FFI
from torch import Tensor

from .build import FOLDER, BuildError, library_file

_more_checks: list[Callable[["Library"], str]] = []

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Library:
    """The functions of engine.h (`c`) and what makes their arguments (`ffi`)."""

    ffi: FFI
    c: Any

    def pointer(self, tensor: Tensor | None, kind: str = "void *") -> Any:
        """The address of a tensor's first number; whoever asks keeps the tensor."""
        return self.ffi.NULL if tensor is None else self.ffi.cast(kind, tensor.data_ptr())


class _Builder:
    """The library of this process, built in the thread that first asks or in the background."""

    def __init__(self) -> None:
        self._starting, self._building = threading.Lock(), threading.Lock()
        self._done = threading.Event()
        self._in_background = False
        self._library: Library | None = None
        self.problem = ""

    def start(self) -> None:
        """Build in the background: until it is done, `get` answers None instead of waiting."""
        with self._starting:
            if self._in_background or self._done.is_set():
                return
            self._in_background = True
        threading.Thread(target=self._build, name="engine-build", daemon=True).start()

    def get(self) -> Library | None:
        if not self._done.is_set() and not self._in_background:
            self._build()
        return self._library

    def wait(self) -> Library | None:
        if self._in_background:
            self._done.wait()
        return self.get()

    def is_building(self) -> bool:
        return self._in_background and not self._done.is_set()

    def _build(self) -> None:
        with self._building:
            if self._done.is_set():
                return
            try:
                self._library = open_library()
            except BuildError as error:
                self.problem = str(error)
                _log.warning("Text is computed by torch, which is slower: %s", error)
            finally:
                self._done.set()


_builder = _Builder()
# Held while torch computes in the background. A process that ends during that is aborted, so its end waits.
_checking = threading.Lock()
atexit.register(_checking.acquire)


def compiled_library() -> Library | None:
    """The library, compiled first if need be; None where it cannot be had, or while it is built in the background."""
    return _builder.get()


def start_building() -> None:
    """Build the library in the background: what is generated meanwhile is computed by torch, and nobody waits."""
    _builder.start()


def wait_until_built() -> Library | None:
    """The library, once a build in the background is done."""
    return _builder.wait()


def why_not_compiled() -> str:
    """One sentence on why there is no library; "" if there is one, or while it is being built."""
    return _builder.problem


def is_being_built() -> bool:
    """Whether the library is still built in the background, so that torch computes what is asked for now."""
    return _builder.is_building()


def also_check(check: Callable[[Library], str]) -> None:
    """Have every library checked by this function too. It returns what is computed wrongly, and "" for nothing."""
    _more_checks.append(check)


def open_library(processor: str = "native") -> Library:
    """The library for `-march=processor`, checked. Raises BuildError."""
    from .self_check import first_difference  # noqa: PLC0415 - it uses the modules that use this one

    if not _is_little_endian_64_bit():
        raise BuildError("The C files are written for 64-bit little-endian processors.")
    ffi = _declarations()
    try:
        with library_file(processor) as path:
            library = Library(ffi, ffi.dlopen(str(path)))
    except OSError as error:
        raise BuildError(f"The compiled library cannot be opened: {error}.") from error
    with _checking:
        difference = first_difference(library) or next(filter(None, (check(library) for check in _more_checks)), "")
    if difference:
        raise BuildError(f"The compiled library computes something else than torch: {difference}.")
    return library


@cache
def _declarations() -> FFI:
    """What engine.h declares; cffi reads C, without a preprocessor."""
    ffi = FFI()
    ffi.cdef(re.sub(r"/\*.*?\*/", "", (FOLDER / "engine.h").read_text(encoding="utf-8"), flags=re.DOTALL))
    return ffi


def _is_little_endian_64_bit() -> bool:
    return sys.maxsize > 2**32 and sys.byteorder == "little"

"""What is said while the Hub is asked and a model is downloaded. Over a slow connection, waiting can be stopped."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from threading import Lock, Thread
from time import monotonic
from typing import Any, TypeVar

from . import hub
from .hub_errors import endpoint

_POLL_SECONDS = 0.25
_SLOW_SECONDS = 5.0  # without an answer, or over which a download's rate is taken
_SLOW_BYTES = 50_000  # a second
_KEPT_SECONDS = 120.0  # that a description is taken for true

Result = TypeVar("Result")
Tell = Callable[[str], None]  # what it raises ends the waiting


class Progress:
    """How far one download is, as a sentence: in bytes, and with the way out where the connection is slow."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._done = self._total = 0
        self._seen: deque[tuple[float, int]] = deque([(monotonic(), 0)])

    def said(self) -> str:
        """The sentence of this moment."""
        now = monotonic()
        self._seen.append((now, self._done))
        while now - self._seen[1][0] >= _SLOW_SECONDS:
            self._seen.popleft()
        began, before = self._seen[0]
        if not self._total:
            return asking(self._name, now - began)
        if now - began < _SLOW_SECONDS or (rate := (self._done - before) / (now - began)) >= _SLOW_BYTES:
            return f"Downloading {self._name}: {self._done / 2**20:,.0f} of {self._total / 2**20:,.0f} MiB …"
        speed = f"{rate:,.0f} byte{'' if round(rate) == 1 else 's'} a second"
        return (
            f"Downloading {self._name}: {self._done:,} of {self._total:,} bytes. The connection is slow, {speed}: Stop "
            f"leaves it, and what has come stays."
        )

    def at(self, done: int, total: int) -> str:
        """The sentence once so many bytes of all are here."""
        if not self._total:
            self._seen = deque([(monotonic(), done)])  # what was here before did not come at this rate
        self._done, self._total = done, total
        return self.said()


def asking(name: str, seconds: float, way_out: str = "Stop leaves it") -> str:
    """What to say when the Hub has been asked about a repository for so long."""
    said = f"Asking the Hub about {name} …"
    return (
        said if seconds < _SLOW_SECONDS else f"{said} for {seconds:.0f} seconds: the connection is slow, and {way_out}."
    )


def download(name: str, tell: Tell) -> Path:
    """hub.download, told in sentences several times a second."""
    progress = Progress(name)
    coming = in_background(lambda: hub.download(name, lambda *bytes_so_far: tell(progress.at(*bytes_so_far))))
    return patiently(coming, lambda: tell(progress.said()))


def describe(name: str, tell: Tell) -> hub.Description:
    """hub.describe, told in sentences several times a second; who asks the same at the same time shares one answer."""
    began, coming = monotonic(), description(name)
    return patiently(coming, lambda: tell(asking(name, monotonic() - began)))


def description(name: str) -> "Future[hub.Description]":
    """What hub.describe gives, on its way or known for a short while."""
    key = (endpoint(), hub.repository_of(name))
    with _asking:
        for old in [old for old, (began, coming) in _asked.items() if _is_over(began, coming)]:
            del _asked[old]
        if key not in _asked:
            _asked[key] = (monotonic(), in_background(lambda: hub.describe(name)))
        return _asked[key][1]


_asking = Lock()
_asked: "dict[tuple[str, str], tuple[float, Future[hub.Description]]]" = {}


def _is_over(began: float, coming: "Future[hub.Description]") -> bool:
    return coming.done() and (coming.exception() is not None or monotonic() - began > _KEPT_SECONDS)


def in_background(work: Callable[[], Result]) -> "Future[Result]":
    """The result of work in a thread of its own, which nobody has to wait for."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def moments_until(future: "Future[Any]") -> Iterator[None]:
    """Several a second, until the result is there."""
    while not wait([future], _POLL_SECONDS).done:
        yield


def patiently(future: "Future[Result]", meanwhile: Callable[[], None]) -> Result:
    """The result, and until it is there `meanwhile` several times a second: what it raises ends the waiting."""
    for _ in moments_until(future):
        meanwhile()
    return future.result()

"""Turns at the machine: steps of the model run one at a time, in the order in which they were asked for.

Two steps at once would only compete for the same cores. An ordinary lock may keep one visitor waiting for ever.
"""

from collections import deque
from threading import Lock
from types import TracebackType


class Turns:
    """A lock for `with` that is given to whoever has waited longest."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._taken = False
        self._waiting: deque[Lock] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            called = Lock()
            called.acquire()
            self._waiting.append(called)
        called.acquire()  # until the one before releases it

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()  # passed to the next one: it stays taken
            else:
                self._taken = False


MACHINE = Turns()

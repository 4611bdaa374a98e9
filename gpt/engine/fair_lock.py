"""Turns at the machine: steps of the model run one at a time, in the order in which they were asked for.

Two at once would only fight over the same cores, and an ordinary lock may let one visitor go first for ever.
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
        called.acquire()  # until the one before lets go

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()  # handed on: it stays taken
            else:
                self._taken = False


MACHINE = Turns()

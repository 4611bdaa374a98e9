"""Models on their way into memory: one load for each, shared by all who wait for it, within what memory allows.

Models that are loaded, being loaded and still in use count together. A load that nobody waits for does not start.
"""

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Condition, Event, Thread
from time import monotonic
from typing import Generic, TypeVar

from .engine.fair_share import ASKING, FairShare
from .estimates.machine import give_back_memory

Model = TypeVar("Model")
Files = TypeVar("Files")
Owner = TypeVar("Owner")

_AT_ONCE = 2  # loads that read or draw weights; downloads run beside them
_MOST = 64  # loads that are under way or wait
_PATIENCE_SECONDS = 60.0  # for models in use to leave room
_POLL_SECONDS = 0.25


class NobodyWaits(BaseException):
    """Ends a load from within. No Exception: what downloads catches those of many kinds, and says that it failed."""


@dataclass(eq=False)
class Load(Generic[Model]):
    """One model being loaded. `said` is what to tell those who wait; `bytes_needed` what it takes meanwhile."""

    key: str
    bytes_needed: int
    client: Hashable = field(default_factory=ASKING.get)  # for whom it began
    said: str = "Loading the model …"
    waiting: int = 0
    lacks_room: bool = False
    done: Event = field(default_factory=Event)
    model: Model | None = None
    error: BaseException | None = None

    def answer(self) -> Model:
        """The model, once `done` is set. Raises what the load raised."""
        if self.error is not None:
            raise self.error
        assert self.model is not None
        return self.model

    def tell(self, said: str) -> None:
        """Say something else to those who wait. Raises NobodyWaits when nobody does any more."""
        if not self.waiting:
            raise NobodyWaits
        self.said = said


class Memory:
    """Bytes that models take: each from when its load begins until nobody uses it any more."""

    def __init__(self, limit: Callable[[], float]) -> None:
        self._limit = limit
        self._taken: dict[int, Callable[[], int]] = {}

    def limit(self) -> float:
        """Bytes that all models together may take."""
        return self._limit()

    def taken(self) -> int:
        """Bytes that they take."""
        return sum(count() for count in list(self._taken.values()))

    def take(self, owner: Owner, n_bytes: int | Callable[[Owner], int]) -> None:
        """Count these bytes until `owner` is no longer in memory, or `release` is called with it.

        A function tells how many an owner takes whenever they are counted.
        """
        there = weakref.ref(owner)

        def count() -> int:
            still = there()
            return n_bytes if isinstance(n_bytes, int) else 0 if still is None else n_bytes(still)

        self._taken[id(owner)] = count
        weakref.finalize(owner, self._taken.pop, id(owner), None)

    def release(self, owner: object) -> None:
        """Count them no longer."""
        self._taken.pop(id(owner), None)


class Loads(Generic[Model]):
    """The loads of one library. `make_room` lets go of a model, and says whether there was one to let go of."""

    def __init__(self, memory: Memory, make_room: Callable[[], bool]) -> None:
        self._memory = memory
        self._make_room = make_room
        self._changed = Condition()
        self._loads: dict[str, Load[Model]] = {}
        self._waiting: list[Load[Model]] = []
        self._n_reading = 0
        self._rule = FairShare()

    def join(
        self,
        key: str,
        bytes_needed: int,
        fetch: Callable[[Load[Model]], Files],
        read: Callable[[Load[Model], Files], Model],
    ) -> Load[Model]:
        """The load of this key, begun if there is none. Whoever joins it waits for it until `leave` is called.

        `fetch` gets the model's files, `read` makes the model of them once it is this load's turn. Raises ValueError
        when too many are being loaded.
        """
        with self._changed:
            load = self._loads.get(key)
            if load is None:
                if len(self._loads) >= _MOST:
                    raise ValueError("Too many models are being loaded: wait a moment, or use one that is loaded.")
                load = self._loads[key] = Load(key, bytes_needed)
                load.waiting = 1
                Thread(target=self._run, args=[load, fetch, read], daemon=True).start()
            else:
                load.waiting += 1
            return load

    def leave(self, load: Load[Model]) -> None:
        """Wait for it no longer."""
        with self._changed:
            load.waiting -= 1
            self._changed.notify_all()

    def _run(
        self,
        load: Load[Model],
        fetch: Callable[[Load[Model]], Files],
        read: Callable[[Load[Model], Files], Model],
    ) -> None:
        try:
            files = fetch(load)
            self._wait_for_turn(load)
            started = monotonic()
            try:
                load.model = read(load, files)
            finally:
                self._end_turn(load, monotonic() - started)
        except BaseException as error:
            load.error = error
        finally:
            with self._changed:
                del self._loads[load.key]
            load.done.set()
            give_back_memory()

    def _wait_for_turn(self, load: Load[Model]) -> None:
        deadline = monotonic() + _PATIENCE_SECONDS
        with self._changed:
            self._waiting.append(load)
            try:
                while not self._may_begin(load):
                    if not load.waiting:
                        raise NobodyWaits
                    if load.lacks_room and monotonic() > deadline:
                        raise ValueError("Other models in use fill the memory: wait a minute, or use one of them.")
                    self._changed.wait(_POLL_SECONDS)
            finally:
                self._waiting.remove(load)
            self._n_reading += 1
            self._memory.take(load, load.bytes_needed)

    def _end_turn(self, load: Load[Model], seconds: float) -> None:
        with self._changed:
            self._n_reading -= 1
            self._memory.release(load)
            self._rule.spent(load.client, seconds)
            self._changed.notify_all()

    def _may_begin(self, load: Load[Model]) -> bool:
        """Whether this one is next; those that lack room let others pass."""
        if not load.waiting:
            return False
        first = next((each for each in self._rule.places(self._waiting) if not each.lacks_room), load)
        if self._n_reading >= _AT_ONCE or not (first is load or load.lacks_room):
            load.said = "Waiting for other models to load …"
            return False
        while self._memory.taken() + load.bytes_needed > self._memory.limit() and self._make_room():
            pass
        load.lacks_room = self._memory.taken() > 0 and self._memory.taken() + load.bytes_needed > self._memory.limit()
        if load.lacks_room:
            load.said = "Waiting for memory that other models use …"
        return not load.lacks_room

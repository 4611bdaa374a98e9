"""The latest results of something that takes long, shared by all visitors, as many as a number of bytes holds."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Result = TypeVar("Result")


class RecentResults(Generic[Result]):
    """Results by key; `n_bytes` says what one takes. The newest stays, however large it is."""

    def __init__(self, most_bytes: int, n_bytes: Callable[[Result], int]) -> None:
        self._most_bytes, self._n_bytes = most_bytes, n_bytes
        self._kept: OrderedDict[Hashable, Result] = OrderedDict()
        self._making = Lock()  # one at a time: two at once would each take twice as long

    def get(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """The result kept for this key, or else the one that is made now."""
        with self._making:
            if key not in self._kept:
                self._kept[key] = make()
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(map(self._n_bytes, self._kept.values())) > self._most_bytes:
                self._kept.popitem(last=False)
            return self._kept[key]

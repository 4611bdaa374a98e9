"""Who is next at the machine: whoever has had less of its time, first between addresses, then between sessions of one.

Start-time fair queuing (Goyal, Vin and Cheng, 1996): time is counted, not turns, and a newcomer starts level with
those who wait, so that nobody saves up time by staying away.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from contextvars import ContextVar
from threading import Lock
from typing import NamedTuple, Protocol, TypeVar

_MOST_REMEMBERED = 10_000  # addresses, and sessions of one address


class Client(NamedTuple):
    """Who asks: an address, and one of the sessions behind it ("" for all calls without one)."""

    address: str = ""
    session: str = ""


# On whose behalf this thread computes.
ASKING: ContextVar[Client] = ContextVar("ASKING", default=Client())  # noqa: B039 - a tuple cannot change


class Waiting(Protocol):
    """A request that waits for the machine."""

    @property
    def client(self) -> Hashable:
        """Who asks; what is no Client counts as an address of its own."""
        ...


AnyWaiting = TypeVar("AnyWaiting", bound=Waiting)


class FairShare:
    """A rule for `gpt.engine.batch`: seconds that each client has had, and the order that follows from them.

    Safe between threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._addresses = _Shares()
        self._sessions: defaultdict[str, _Shares] = defaultdict(_Shares)
        self._usual_seconds = 0.0  # of one request: what each of those who are read together will about take

    def order(self, waiting: Sequence[AnyWaiting]) -> list[AnyWaiting]:
        """Those waiting, the next one first, who is served now."""
        ordered = self.places(waiting)
        if ordered:
            client = client_of(ordered[0])
            with self._lock:
                self._addresses.serve(client.address)
                self._sessions[client.address].serve(client.session)
        return ordered

    def places(self, waiting: Sequence[AnyWaiting]) -> list[AnyWaiting]:
        """The order as it is, while nobody is served. Whoever has several requests has them one after the other."""
        if len(waiting) <= 1:
            return list(waiting)
        with self._lock:
            by_session: defaultdict[Client, list[AnyWaiting]] = defaultdict(list)
            for request in waiting:
                by_session[client_of(request)].append(request)
            by_address: defaultdict[str, list[tuple[float, AnyWaiting]]] = defaultdict(list)
            for client, requests in by_session.items():
                by_address[client.address] += self._due(self._sessions[client.address].level(client.session), requests)
            due: list[tuple[float, AnyWaiting]] = []
            for address, of_address in by_address.items():
                due += self._due(self._addresses.level(address), _in_order(of_address))
            return _in_order(due)

    def spent(self, client: Hashable, seconds: float) -> None:
        """Count machine time that a request of this client took."""
        known = as_client(client)
        with self._lock:
            self._usual_seconds += (seconds - self._usual_seconds) / 16
            self._addresses.add(known.address, seconds)
            self._sessions[known.address].add(known.session, seconds)
            if len(self._sessions) > 2 * _MOST_REMEMBERED:
                kept = {each: shares for each, shares in self._sessions.items() if each in self._addresses.seconds}
                self._sessions = defaultdict(_Shares, kept)

    def _due(self, level: float, requests: Sequence[AnyWaiting]) -> list[tuple[float, AnyWaiting]]:
        """What one who has had `level` seconds will have had when each of these requests begins."""
        step = self._usual_seconds or 1.0
        return [(level + step * place, request) for place, request in enumerate(requests)]


class _Shares:
    """Seconds by name. `now` is what whoever is served has had: nobody counts as having had less."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.now = 0.0

    def level(self, name: str) -> float:
        return max(self.seconds.get(name, 0.0), self.now)

    def serve(self, name: str) -> None:
        self.now = self.level(name)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.level(name) + seconds
        if len(self.seconds) > _MOST_REMEMBERED:
            # Whoever has had no more than `now` is level with a newcomer, and need not be remembered.
            most = sorted(self.seconds.items(), key=lambda item: item[1])[-_MOST_REMEMBERED // 2 :]
            self.seconds = {each: had for each, had in most if had > self.now}


def client_of(request: Waiting) -> Client:
    """Who asks for it."""
    return as_client(request.client)


def as_client(client: Hashable) -> Client:
    """A client as it is, or an address of its own for what is none."""
    return client if isinstance(client, Client) else Client(str(client))


def _in_order(due: list[tuple[float, AnyWaiting]]) -> list[AnyWaiting]:
    return [request for _, request in sorted(due, key=lambda each: each[0])]

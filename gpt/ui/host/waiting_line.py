"""Who may use a model now, and who waits in line: a fair share first between addresses, then between their sessions.

All of it happens in the thread of the server's event loop, so that whoever waits holds no other thread.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ...engine.fair_share import Client, FairShare

_PLACES = 32  # runs that have begun: each keeps what it has read in memory
_OF_A_SESSION = 4  # places that one session may have
_MOST_OF_A_SESSION = 16  # requests of one session, begun or waiting
_MOST_OF_AN_ADDRESS = 128
_MOST = 1_000


class PastLimit(ValueError):
    """A visitor asks for more at once than one may."""


@dataclass(eq=False)
class Ticket:
    """One request: waiting until `begun` is set; it stands in line once its model is loaded."""

    client: Client
    is_ready: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)


class Line:
    """The requests that use a model: those that have begun, and those that wait for a place."""

    def __init__(self, places: int = _PLACES) -> None:
        self._places = places
        self._rule = FairShare()
        self._waiting: list[Ticket] = []
        self._begun: list[Ticket] = []

    @property
    def n_waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    @contextmanager
    def joined(self, client: Client) -> Iterator[Ticket]:
        """A request of this client, from when it joins the line until it is over. Raises PastLimit."""
        self._check_limits(client)
        ticket = Ticket(client)
        self._waiting.append(ticket)
        try:
            yield ticket
        finally:
            (self._begun if ticket.begun.is_set() else self._waiting).remove(ticket)
            self._fill_places()

    def is_ready(self, ticket: Ticket) -> None:
        """Let it stand in line; it begins at once where there is a place."""
        ticket.is_ready = True
        self._fill_places()

    def place(self, ticket: Ticket) -> int:
        """Where it stands in line, from 1."""
        return self._rule.places([each for each in self._waiting if each.is_ready]).index(ticket) + 1

    def spent(self, client: Client, seconds: float) -> None:
        """Count time in which a request of this client was at work beside all that have begun."""
        self._rule.spent(client, seconds / max(len(self._begun), 1))

    def _check_limits(self, client: Client) -> None:
        present = [ticket.client for ticket in (*self._waiting, *self._begun)]
        if present.count(client) >= _MOST_OF_A_SESSION:
            raise PastLimit(f"{_MOST_OF_A_SESSION} requests of yours are under way: wait for one to be answered.")
        if sum(each.address == client.address for each in present) >= _MOST_OF_AN_ADDRESS:
            raise PastLimit(
                f"{_MOST_OF_AN_ADDRESS} requests from your address are under way: wait for one to be answered."
            )
        if len(present) >= _MOST:
            raise PastLimit("Too many people use this server now: try again in a minute.")

    def _fill_places(self) -> None:
        while eligible := self._eligible():
            ticket = self._rule.order(eligible)[0]
            self._waiting.remove(ticket)
            self._begun.append(ticket)
            ticket.begun.set()

    def _eligible(self) -> list[Ticket]:
        """Those waiting who may begin. An address takes no more places than it leaves free for others."""
        free = self._places - len(self._begun)
        of_address = Counter(ticket.client.address for ticket in self._begun)
        of_session = Counter(ticket.client for ticket in self._begun)
        return [
            ticket
            for ticket in self._waiting
            if ticket.is_ready
            and of_address[ticket.client.address] < free
            and of_session[ticket.client] < _OF_A_SESSION
        ]

"""Which names this host answers to: a page under a foreign name must not reach it through its visitor's browser.

A name that an attacker points at 127.0.0.1 arrives as a foreign Host; a form on a foreign page as a foreign Origin.
"""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from .refusal import Refused

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(?:https?://)?(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d{1,5})?")


@dataclass(frozen=True)
class Names:
    """The names of a host, in lower case and without ports; `pages` are the ones whose pages may ask it too."""

    known: frozenset[str]
    pages: frozenset[str] = frozenset()

    def check(self, host: str, origin: str | None, local_address: str) -> None:
        """Raise Refused, 403, for a Host that is not ours and an Origin that is neither the page's own nor allowed.

        local_address is the one the request arrived at: nobody can give this machine's address to another name.
        """
        name = host_name(host)
        if name not in self.known and name != local_address:
            raise Refused(
                403,
                f"The host {host[:80]!r} is not one of this server's names: "
                f"start it with --allowed-hosts {name[:80] or 'NAME'} if it should be.",
            )
        if origin is not None and _host_and_port(origin) != host.lower() and host_name(origin) not in self.pages:
            raise Refused(403, f"The page {origin[:80]!r} may not ask this server: only the server's own page may.")


def names_of(listening: str, allowed: Iterable[str]) -> Names:
    """This machine's names, the address it listens on, and those that were allowed.

    Another program on this machine has a page of its own, so the machine's names alone do not let a page in.
    """
    pages = frozenset(name.lower() for name in allowed)
    return Names(machine_names() | {listening.lower()} | pages, pages)


def machine_names() -> frozenset[str]:
    """The names and addresses by which this machine knows itself."""
    own = socket.gethostname().lower()
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(own, None)}
    except OSError:  # a name that nobody resolves
        addresses = set()
    return _LOOPBACK | {own} | addresses


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """The name in a Host header or an origin, in lower case, without scheme, port and brackets; "" if it is neither."""
    matched = _HOST.fullmatch(host.lower())
    return "" if matched is None else matched["six"] or matched["name"]


def _host_and_port(origin: str) -> str:
    """Host and port of an origin, as a Host header writes them."""
    return origin.lower().partition("://")[2]

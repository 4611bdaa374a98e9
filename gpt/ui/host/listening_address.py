"""The address that a server listens on, and one sentence where it cannot: who has taken it, or why it is impossible."""

import errno
import json
import os
import socket
import urllib.request
from contextlib import suppress
from typing import Any

FIRST_PORT = 7860
_PORTS_TRIED = 100
_PATIENCE_SECONDS = 2.0
NAME = "gpt2-explorer"  # what /health says this is


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens there, on the first free port from FIRST_PORT for None.

    Raises ValueError with one sentence when that cannot be; it says where an explorer runs on that port already.
    """
    family, address = _resolved(host, port or FIRST_PORT)
    tried = [port] if port is not None else range(FIRST_PORT, FIRST_PORT + _PORTS_TRIED)
    for each in tried:
        try:
            return _bound(family, (address[0], each, *address[2:]))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ValueError(_impossible(host, each, error)) from error
    if port is None:
        raise ValueError(
            f"Ports {FIRST_PORT} to {FIRST_PORT + _PORTS_TRIED - 1} are all taken: choose one with --port."
        )
    running = running_at(address_of(host, port))
    if running:
        raise ValueError(f"It already runs at {running}: open that, or choose another --port than {port}.")
    raise ValueError(f"Port {port} is taken by another program: choose another one with --port.")


def address_of(host: str, port: int) -> str:
    """What to open in a browser on this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)
    named = f"[{reachable}]" if ":" in reachable and not reachable.startswith("[") else reachable
    return f"http://{named}:{port}/"


def running_at(address: str) -> str:
    """The address itself when an explorer answers there, else ""."""
    with suppress(OSError, ValueError):
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{address}health", timeout=_PATIENCE_SECONDS) as answer:
            if json.loads(answer.read(10_000)).get("name") == NAME:
                return address
    return ""


def _resolved(host: str, port: int) -> tuple[int, tuple[Any, ...]]:
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ValueError(f"The address {host[:80]!r} is unknown: choose one of this machine's with --host.") from error
    return family, tuple(address)


def _bound(family: int, address: tuple[Any, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two programs share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def _impossible(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"Port {port} needs rights that this user does not have: choose one from 1024 on with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host[:80]!r} is not an address of this machine: choose one that is with --host, or 0.0.0.0 for all."
    return f"It cannot listen on port {port} of {host[:80]!r} ({error.strerror}): choose others with --host and --port."

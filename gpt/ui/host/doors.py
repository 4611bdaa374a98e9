"""What is open, found by driving the page and the endpoints; everything else is 404.

Gradio answers many more routes, which this app does not use: uploads, files, proxies, recordings, monitoring.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from .refusal import Refused

SESSION = r"[A-Za-z0-9_-]{1,64}"
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
_FILE = r"(?:[A-Za-z0-9_@-][A-Za-z0-9_.@-]*/)*[A-Za-z0-9_@-][A-Za-z0-9_.@-]*"  # neither "..", "//" nor a hidden file


@dataclass(frozen=True)
class Door:
    """A method and a path, as a pattern whose groups `session`, `name` and `event` are what a request may choose."""

    method: str
    pattern: str

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The groups of the path, or None when this door is another one."""
        matched = _compiled(self.pattern).fullmatch(path) if method == self.method else None
        return None if matched is None else matched.groupdict()


OPEN = (
    # the page
    Door("GET", "/"),
    Door("HEAD", "/"),
    Door("GET", "/theme.css"),
    Door("GET", f"/assets/{_FILE}"),
    Door("GET", f"/static/{_FILE}"),
    Door("GET", "/favicon.ico"),
    Door("GET", "/robots.txt"),
    Door("GET", "/health"),
    # events, of the page and of programs that speak like it
    Door("GET", "/config"),
    Door("GET", "/gradio_api/info"),
    Door("GET", f"/gradio_api/heartbeat/(?P<session>{SESSION})"),
    Door("POST", "/gradio_api/queue/join"),
    Door("GET", "/gradio_api/queue/data"),
    Door("POST", "/gradio_api/cancel"),
    # events by their name
    Door("POST", f"/gradio_api/call/(?P<name>{_NAME})"),
    Door("POST", f"/gradio_api/call/v2/(?P<name>{_NAME})"),
    Door("GET", f"/gradio_api/call/(?P<name>{_NAME})/(?P<event>{SESSION})"),
    Door("GET", f"/gradio_api/call/v2/(?P<name>{_NAME})/(?P<event>{SESSION})"),
)


def find_door(method: str, path: str) -> dict[str, str]:
    """The groups of the path at the open door of a request. Raises Refused, 404, when there is none."""
    for door in OPEN:
        groups = door.match(method, path)
        if groups is not None:
            return groups
    raise Refused(404, "There is nothing at this address: the page is at the start of it, its API at /gradio_api/info.")


@lru_cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)

"""What is open, found by driving the page and the endpoints; everything else is 404.

Gradio answers many more routes, which this app does not use: uploads, files, proxies, recordings, monitoring.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from .refusal import Refused

SESSION = r"[A-Za-z0-9_-]{1,64}"
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
_FILE = r"(?:[A-Za-z0-9_@-][A-Za-z0-9_.@-]*/)*[A-Za-z0-9_@-][A-Za-z0-9_.@-]*"  # neither "..", "//" nor a hidden file


@dataclass(frozen=True)
class Route:
    """A method and a path, as a pattern whose groups `session`, `name` and `event` are what a request may choose."""

    method: str
    pattern: str

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The groups of the path, or None when this is another route."""
        matched = _compiled(self.pattern).fullmatch(path) if method == self.method else None
        return None if matched is None else matched.groupdict()


OPEN: tuple[Route, ...] = (
    # the page
    Route("GET", "/"),
    Route("HEAD", "/"),
    Route("GET", "/theme.css"),
    Route("GET", f"/assets/{_FILE}"),
    Route("GET", f"/static/{_FILE}"),
    Route("GET", "/favicon.ico"),
    Route("GET", "/manifest.json"),  # as a program of its own: name and icon
    Route("GET", "/pwa_icon"),
    Route("GET", "/robots.txt"),
    Route("GET", "/health"),
    # events, of the page and of programs that speak like it
    Route("GET", "/config"),
    Route("GET", "/gradio_api/info"),
    Route("GET", f"/gradio_api/heartbeat/(?P<session>{SESSION})"),
    Route("POST", "/gradio_api/queue/join"),
    Route("GET", "/gradio_api/queue/data"),
    Route("POST", "/gradio_api/cancel"),
    # events by their name
    Route("POST", f"/gradio_api/call/(?P<name>{_NAME})"),
    Route("POST", f"/gradio_api/call/v2/(?P<name>{_NAME})"),
    Route("GET", f"/gradio_api/call/(?P<name>{_NAME})/(?P<event>{SESSION})"),
    Route("GET", f"/gradio_api/call/v2/(?P<name>{_NAME})/(?P<event>{SESSION})"),
)

ASSISTANTS = "/gradio_api/mcp"
# Open besides where --mcp is on: messages of assistants, and the tools as the page's foot lists them.
OPEN_TO_ASSISTANTS: tuple[Route, ...] = (
    *(Route(method, f"{ASSISTANTS}/?") for method in ("POST", "GET", "DELETE")),
    Route("GET", f"{ASSISTANTS}/schema"),
)


def find_route(method: str, path: str, routes: Sequence[Route] = OPEN) -> dict[str, str]:
    """The groups of the path at the open route of a request. Raises Refused, 404, when there is none."""
    for route in routes:
        groups = route.match(method, path)
        if groups is not None:
            return groups
    raise Refused(404, "There is nothing at this address: the page is at the start of it, its API at /gradio_api/info.")


@lru_cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)

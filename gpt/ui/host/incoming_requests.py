"""A request as the visitor made it, also behind a proxy: who asks, under which name and prefix.

Anybody can send the headers that a proxy adds, so they are believed only where the host trusts its proxy. They never
reach Gradio, which would always believe them.
"""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

_SAID_BY_PROXIES = (
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-proto",
    b"x-real-ip",
    b"x-gradio-server",
)
# Read by Gradio's page route: saved views and pages, of which this app has none.
_NOT_OURS = (b"deep_link", b"page")


@dataclass(frozen=True)
class IncomingRequests:
    """How requests come in: under a prefix ("" for none), through a trusted proxy, as a Space of this name.

    start_link is the view for visitors whose address names none, from ? on.
    """

    root_path: str = ""
    trust_proxy: bool = False
    space_host: str = ""
    start_link: str = ""

    def scope(self, scope: Scope) -> Scope:
        """The ASGI scope as the visitor made the request, without the prefix; path "" is the prefix itself."""
        headers = Headers(scope=scope)
        host, scheme, client = headers.get("host", ""), scope["scheme"], scope["client"]
        if self.trust_proxy:
            host = _last(headers.get("x-forwarded-host")) or host
            scheme = _last(headers.get("x-forwarded-proto")) or scheme
            client = (_last(headers.get("x-forwarded-for")) or client[0], 0)
        if self.space_host and host == self.space_host:
            scheme = "https"  # the hub serves Spaces in no other way
        kept = [(name, value) for name, value in scope["headers"] if name not in (*_SAID_BY_PROXIES, b"host")]
        return {
            **scope,
            "headers": [(b"host", host.encode("latin-1")), *kept],
            "scheme": "https" if scheme == "https" else "http",
            "client": client,
            "path": self._path(scope["path"]),
            "query_string": _ours(scope["query_string"]),
        }

    def sent_on(self, scope: Scope) -> str | None:
        """Where a request for the page is sent on to: from the prefix to its slash, or to the view to start with."""
        query = scope["query_string"].decode("latin-1")
        if not scope["path"]:
            return f"{self.root_path}/" + (f"?{query}" if query else "")
        names_view = any(part and not part.startswith("__") for part in query.split("&"))
        if not self.start_link or names_view or (scope["method"], scope["path"]) != ("GET", "/"):
            return None
        view, sign, fragment = self.start_link.partition("#")
        return f"{self.root_path}/{view}" + (f"&{query}" if query else "") + sign + fragment

    def _path(self, path: str) -> str:
        if not self.root_path or not f"{path}/".startswith(f"{self.root_path}/"):
            return path
        return path[len(self.root_path) :]


def _last(header: str | None) -> str:
    """The entry that the nearest proxy added: all before it may be the visitor's own invention."""
    return (header or "").rsplit(",", 1)[-1].strip()


def _ours(query: bytes) -> bytes:
    return b"&".join(part for part in query.split(b"&") if part.partition(b"=")[0] not in _NOT_OURS)

"""ASGI middleware in front of everything: who may ask, what is open, how much may be sent, what every answer says."""

from contextlib import nullcontext
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from .called_events import Calls
from .host_names import Names
from .incoming_requests import IncomingRequests
from .open_routes import OPEN, Route, find_route
from .refusal import Refused, send_refusal
from .request_bodies import parsed, patient, read_body, replaying
from .response_headers import with_headers
from .server_counts import Counts
from .sessions import Sessions


@dataclass(frozen=True)
class Guard:
    """Passes on what is allowed, and answers the rest with one sentence and a status from 400 on."""

    app: ASGIApp
    names: Names
    requests: IncomingRequests
    calls: Calls
    sessions: Sessions
    counts: Counts
    frame_ancestors: str = "'self'"
    routes: tuple[Route, ...] = OPEN

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(self.requests.scope(scope), receive, with_headers(send, self.frame_ancestors))
        else:
            await send({"type": "websocket.close", "code": 1008})  # the page uses none

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            headers = Headers(scope=scope)
            self.names.check(headers.get("host", ""), headers.get("origin"), scope["server"][0])
            location = self.requests.sent_on(scope)
            if location is not None:
                await _redirect(location, send)
                return
            groups = find_route(scope["method"], scope["path"], self.routes)
            body = await read_body(receive)
            sent = parsed(scope, body) if scope["method"] == "POST" else None
            self.calls.check(scope["path"], groups, scope["query_string"], sent)
        except Refused as refused:
            self.counts.refused += 1
            await send_refusal(refused, send)
        else:
            page = self.sessions.connected(groups["session"]) if "session" in groups else nullcontext()
            with page:
                await self.app(scope, replaying(body, receive), patient(send))


async def _redirect(location: str, send: Send) -> None:
    headers = [(b"location", location.encode("latin-1")), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})

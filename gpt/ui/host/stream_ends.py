"""Keeps an answer from being lost around the moment in which a session's stream of answers ends.

Gradio ends a session's stream once nothing is under way. A page that hears of its next event before it hears of that
end believes that the stream is open, opens no new one, and never shows the answer.

A browser that may cache answers requests a stream twice when the one before was interrupted while it was being cached.
Nobody reads the first of the two, and half of the answers go there.
"""

import asyncio
import json
from contextlib import suppress

from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .request_bodies import replaying

JOIN, STREAM = "/gradio_api/queue/join", "/gradio_api/queue/data"
# A quotation mark inside of a value is written with a backslash, so this is in no other message.
_END = b'"msg":"close_stream"'
_NOT_KEPT = (b"cache-control", b"no-store")
_MOST_SECONDS = 0.5  # a page that has heard of the end leaves at once; other clients may wait for the server to do so


class StreamEnds:
    """ASGI middleware: an event's first answer waits until the page has heard that the session's stream ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._ending: dict[str, asyncio.Event] = {}  # by session; set once the page has left the stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == JOIN:
            body = (await receive())["body"]
            session = str(json.loads(body).get("session_hash"))
            await self._app(scope, replaying(body, receive), self._after_an_end(session, send))
        elif scope["type"] == "http" and scope["path"] == STREAM:
            await self._stream(QueryParams(scope["query_string"]).get("session_hash", ""), scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _after_an_end(self, session: str, send: Send) -> Send:
        async def send_later(message: Message) -> None:
            if session in self._ending:
                await self._ending[session].wait()
            await send(message)

        return send_later

    async def _stream(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        left = asyncio.Event()

        async def receive_until_left() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                left.set()
            return message

        async def send_and_wait(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], _NOT_KEPT]}
            if _END in message.get("body", b""):
                self._ending[session] = left
            if self._ending.get(session) is left and not message.get("more_body", False):
                with suppress(asyncio.TimeoutError, TimeoutError):
                    await asyncio.wait_for(left.wait(), _MOST_SECONDS)
                left.set()
            await send(message)

        try:
            await self._app(scope, receive_until_left, send_and_wait)
        finally:
            left.set()
            if self._ending.get(session) is left:
                del self._ending[session]

"""What a request brings: read whole before Gradio sees it, of a bounded size, and JSON that makes sense.

Also how long a client may take to receive the answer.
"""

import asyncio
import json
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from .refusal import Refused

MOST_BYTES = 2**20
# How long a body may take to arrive, and how much of one that is too large is still read, so that its sender gets to
# read the answer.
_PATIENCE_SECONDS = 20.0
_MOST_DISCARDED_BYTES = 2**28
# The connection of an answer that nobody receives is closed after so long.
_UNREAD_SECONDS = 60.0


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises Refused: 413 for one of more than MOST_BYTES, 408 for one that does not come."""
    try:
        return await asyncio.wait_for(_read(receive), _PATIENCE_SECONDS)
    except (asyncio.TimeoutError, TimeoutError):
        raise Refused(408, f"The request did not arrive within {_PATIENCE_SECONDS:.0f} seconds.") from None


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more and size <= _MOST_DISCARDED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The request ended before all of it had arrived.")
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size <= MOST_BYTES:
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > MOST_BYTES:
        raise Refused(413, f"The request has more than {MOST_BYTES:,} bytes, the most that this server takes.")
    return b"".join(chunks)


def parsed(scope: Scope, body: bytes) -> Any:
    """The JSON object of a POST. Raises Refused: 415 for another kind of content, 400 for what is no JSON object."""
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, f"The content type is {kind[:80]!r}: send application/json.")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):  # of the encoding, the syntax, a number too long, or too many brackets
        raise Refused(400, "The request is not valid JSON.") from None
    if not isinstance(found, dict):
        raise Refused(400, f"The request is JSON of the kind {type(found).__name__}: send an object, {{…}}.")
    return found


def replaying(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body that was read already, then what comes after it: that the visitor left."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Any:
        return messages.pop() if messages else await receive()

    return replay


def patient(send: Send) -> Send:
    """A send that gives up, with TimeoutError, when nobody takes what is sent."""

    async def send_in_time(message: Message) -> None:
        await asyncio.wait_for(send(message), _UNREAD_SECONDS)

    return send_in_time

"""An event that is sent while the session's stream ends: its first answer waits until the page has left the stream."""

import asyncio
import json

import pytest

from gpt.ui.host.stream_ends import JOIN, STREAM, StreamEnds
from tests.own_loop import in_own_loop

ANSWER = b'data: {"msg":"process_completed","output":{"data":["a text that holds \\"msg\\":\\"close_stream\\""]}}\n\n'
END = b'data: {"msg":"close_stream","event_id":null}\n\n'


async def gradio(scope, receive, send):
    """As Gradio does it: a stream of one answer that ends at once, or only the answer; an event is taken at once."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == JOIN:
        await send({"type": "http.response.body", "body": (await receive())["body"]})
        return
    await send({"type": "http.response.body", "body": ANSWER, "more_body": True})
    if b"ends" in scope["query_string"]:
        await send({"type": "http.response.body", "body": END, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    await receive()


class Visitor:
    """One request: what was sent to it, and when it leaves."""

    def __init__(self, streams: StreamEnds, path: str, session: str, query: str = "") -> None:
        self.sent: list[dict] = []
        self.leaves = asyncio.Event()
        body = json.dumps({"session_hash": session}).encode() if path == JOIN else b""
        self._messages = [{"type": "http.request", "body": body}] if path == JOIN else []
        scope = {"type": "http", "path": path, "query_string": f"session_hash={session}&{query}".encode()}
        self.task = asyncio.ensure_future(streams(scope, self._receive, self._send))

    async def _receive(self):
        if self._messages:
            return self._messages.pop()
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        self.sent.append(message)

    def heard(self, words: bytes) -> bool:
        return any(words in message.get("body", b"") for message in self.sent)


async def turns(n: int = 20) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


def test_an_event_is_answered_once_the_page_has_left_the_stream_that_ends():
    async def both():
        streams = StreamEnds(gradio)
        stream = Visitor(streams, STREAM, "ours", "ends")
        await turns()
        assert stream.heard(END)
        event, other = Visitor(streams, JOIN, "ours"), Visitor(streams, JOIN, "another's")
        await turns()
        assert event.sent == [] and other.heard(b"another's")
        stream.leaves.set()
        await asyncio.wait_for(asyncio.gather(stream.task, event.task), 10)
        assert event.heard(b"ours")
        late = Visitor(streams, JOIN, "ours")
        await turns()
        assert late.heard(b"ours")

    in_own_loop(both())


@pytest.mark.parametrize("query", ["", "ends"])
def test_an_event_is_answered_beside_a_stream_that_goes_on_and_after_one_that_nobody_leaves(query):
    async def both():
        streams = StreamEnds(gradio)
        stream = Visitor(streams, STREAM, "ours", query)
        await turns()
        event = Visitor(streams, JOIN, "ours")
        await turns()
        assert event.heard(b"ours") is (query == "")
        await asyncio.wait_for(event.task, 10)
        assert event.heard(b"ours") and not stream.leaves.is_set()
        stream.leaves.set()
        await stream.task

    in_own_loop(both())


def test_a_browser_keeps_no_stream_in_its_cache():
    async def one():
        stream = Visitor(StreamEnds(gradio), STREAM, "ours")
        await turns()
        assert (b"cache-control", b"no-store") in stream.sent[0]["headers"]
        stream.leaves.set()
        await asyncio.wait_for(stream.task, 10)

    in_own_loop(one())

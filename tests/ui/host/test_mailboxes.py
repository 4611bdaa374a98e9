"""What waits to be read: dropped after a minute, forgotten when it is done with."""

import asyncio
from types import SimpleNamespace

import pytest
from gradio.queueing import Queue

from gpt.ui.host import mailboxes as module
from gpt.ui.host.mailboxes import Mailboxes, busy_sessions, drop_unread
from tests.own_loop import in_own_loop


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=1_000.0)
    monkeypatch.setattr(module, "monotonic", lambda: now.seconds)
    return now


def test_mailboxes(clock):
    in_own_loop(_of_a_queue(clock))


async def _of_a_queue(clock):
    queue = Queue(True, 4, 1, None, SimpleNamespace())
    queue.pending_messages_per_session = Mailboxes()
    page = SimpleNamespace(_queue=queue)
    event = SimpleNamespace(_id="e", session_hash="unread", alive=True)
    queue.active_jobs, queue.event_ids_to_events = [[event]], {"e": event}
    for session in ("unread", "read", "done"):
        queue.pending_messages_per_session[session] = asyncio.Queue()
        queue.pending_event_ids_session[session] = set()
    queue.pending_event_ids_session["unread"] = {"e"}
    queue.pending_event_ids_session["left behind"] = {"of an event that is over"}
    unread, read = (queue.pending_messages_per_session[session] for session in ("unread", "read"))
    unread.put_nowait("news")
    read.put_nowait("news")
    clock.seconds += 59
    assert await drop_unread(page) == 0
    assert set(queue.pending_messages_per_session) == {"unread", "read", "done"}  # the last message may be under way
    assert "left behind" not in queue.pending_event_ids_session
    assert await read.get() == "news"
    read.put_nowait("more news")
    clock.seconds += 2
    assert busy_sessions(page) == {"unread"}
    assert await drop_unread(page) == 1
    assert set(queue.pending_messages_per_session) == {"read"}
    assert not event.alive  # its run ends at the next token


def test_two_thousand_mailboxes_end_nobodys():
    boxes = Mailboxes()
    for number in range(5_000):
        boxes[str(number)] = asyncio.Queue()
    assert len(boxes) == 5_000

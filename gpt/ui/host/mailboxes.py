"""Messages that were written for visitors and wait to be read.

Those that nobody reads are dropped, and the event that writes them is ended.

Gradio would keep the messages of 2,000 sessions for ever, and delete those of a reader when there are more.
"""

from asyncio import Queue as AsyncQueue
from time import monotonic
from typing import Any

import gradio as gr
from gradio.queueing import Queue

_UNREAD_SECONDS = 60.0


class Mailbox(AsyncQueue[Any]):
    """Messages for one session; `taken` is when the first of those waiting came to be the next."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = monotonic()

    def _put(self, item: Any) -> None:
        if self.empty():
            self.taken = monotonic()
        super()._put(item)

    def _get(self) -> Any:
        self.taken = monotonic()
        return super()._get()

    def is_unread(self) -> bool:
        """Whether nobody has taken the next message for too long."""
        return not self.empty() and monotonic() - self.taken > _UNREAD_SECONDS

    def is_quiet(self) -> bool:
        """Whether nothing waits here, nor anybody for it, and whoever took the last message has had time to send it."""
        return self.empty() and not self._getters and monotonic() - self.taken > _UNREAD_SECONDS  # type: ignore[attr-defined]


class Mailboxes(dict[str, AsyncQueue[Any]]):
    """By session. Whatever queue is put in, a mailbox takes its place."""

    def __setitem__(self, session: str, _: AsyncQueue[Any]) -> None:
        super().__setitem__(session, Mailbox())


async def drop_unread(page: gr.Blocks) -> int:
    """End the events whose results nobody reads, forget what is done with; returns for how many sessions."""
    queue = page._queue
    mailboxes = queue.pending_messages_per_session
    unread = [session for session, mailbox in mailboxes.items() if isinstance(mailbox, Mailbox) and mailbox.is_unread()]
    for session in unread:
        await queue.clean_events(session_hash=session)
        _forget(queue, session)
    for session in {*mailboxes, *queue.pending_event_ids_session}:
        ids = queue.pending_event_ids_session.get(session, set())
        box = mailboxes.get(session)
        is_quiet = box is None or (isinstance(box, Mailbox) and box.is_quiet())
        if is_quiet and not any(each in queue.event_ids_to_events for each in ids):
            _forget(queue, session)
    return len(unread)


def busy_sessions(page: gr.Blocks) -> set[str]:
    """The sessions that have an event under way."""
    return {event.session_hash for event in list(page._queue.event_ids_to_events.values())}


def _forget(queue: Queue, session: str) -> None:
    queue.pending_event_ids_session.pop(session, None)
    queue.pending_messages_per_session.pop(session, None)

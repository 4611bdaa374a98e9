"""For each visitor one piece of work at a time, and the Stop button, after which the work ends by itself.

Gradio's own `cancels` does not wait for updates that are on their way to the page: a late one would overwrite the
last state. Here the work itself sends the last update.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

import gradio as gr

# The stylesheet hides an idle Stop: Gradio passes the `visible` of a column on to everything in it, so a column that is
# shown again would show its Stop, too.
_STOP, _IDLE, _START = "stop-work", "idle", "start-work"


@dataclass(frozen=True)
class _Work:
    model: str = ""  # reference of the one that writes, "" where none does
    stopped: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)
    is_aside: bool = False


class Ongoing:
    """For each visitor, by session, the one piece of work that sends updates to the page."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._works: dict[str | None, _Work] = {}
        self._waiting: dict[str | None, Event] = {}

    @contextmanager
    def begin(self, request: gr.Request, model: str = "") -> Iterator[Event]:
        """A block of work, which must end when the event that it is given is set.

        The visitor's earlier work has ended before.
        """
        visitor, work = request.session_hash, _Work(model)
        with self._guard:
            before, self._works[visitor] = self._works.get(visitor), work
        with self._going_on(visitor, work, before) as stopped:
            yield stopped

    @contextmanager
    def begin_aside(self, request: gr.Request) -> Iterator[Event | None]:
        """The same for work about the text that the page shows.

        It ends only earlier work of this kind; it is given None where other work goes on.
        """
        visitor, work = request.session_hash, _Work(is_aside=True)
        with self._guard:
            before = self._works.get(visitor)
            is_free = before is None or before.is_aside
            if is_free:
                self._works[visitor] = work
        if not is_free:
            yield None
            return
        with self._going_on(visitor, work, before) as stopped:
            yield stopped

    @contextmanager
    def _going_on(self, visitor: str | None, work: _Work, before: _Work | None) -> Iterator[Event]:
        with self._guard:
            waiting = self._waiting.get(visitor)
            if waiting is not None and waiting.is_set():  # stopped after it had waited, before it began
                work.stopped.set()
        try:
            if before is not None:
                _end(before)
            yield work.stopped
        finally:
            with self._guard:
                if self._works[visitor] is work:
                    del self._works[visitor]
            work.ended.set()

    @contextmanager
    def waiting(self, visitor: str) -> Iterator[Event]:
        """A block that waits to begin, and must end when the event that it is given is set.

        Of several that wait, only the last goes on.
        """
        stopped = Event()
        with self._guard:
            before, self._waiting[visitor] = self._waiting.get(visitor), stopped
        if before is not None:
            before.set()
        try:
            yield stopped
        finally:
            with self._guard:
                if self._waiting.get(visitor) is stopped:
                    del self._waiting[visitor]

    def is_writing(self, request: gr.Request, model: str) -> bool:
        """Whether that model writes a text for the visitor now."""
        with self._guard:
            work = self._works.get(request.session_hash)
        return work is not None and work.model == model

    def stop(self, request: gr.Request) -> None:
        """Ask the visitor's work to end, without waiting for it."""
        with self._guard:
            if request.session_hash in self._waiting:
                self._waiting[request.session_hash].set()
            if request.session_hash in self._works:
                self._works[request.session_hash].stopped.set()

    def end_outdated(self, visitor: str | None) -> None:
        """End the work of a visitor who now asks something else, after its last update; what waits does not begin."""
        with self._guard:
            waiting, work = self._waiting.get(visitor), self._works.get(visitor)
        if waiting is not None:
            waiting.set()
        if work is not None:
            _end(work)

    def end(self, request: gr.Request) -> None:
        """Stop the visitor's work, and wait until it has sent its last update."""
        with self._guard:
            work = self._works.get(request.session_hash)
        if work is not None:
            _end(work)


def _end(work: _Work) -> None:
    work.stopped.set()
    work.ended.wait()


def stop_for(elem_id: str, **shape: Any) -> gr.Button:
    """A Stop button, hidden until something runs."""
    return gr.Button("Stop", variant="stop", elem_id=elem_id, elem_classes=[_STOP, _IDLE], **shape)


def start_for(label: str, elem_id: str, **shape: Any) -> gr.Button:
    """The button that starts the work; it is hidden while the Stop button beside it is shown."""
    return gr.Button(label, variant="primary", elem_id=elem_id, elem_classes=[_START], **shape)


def stop_button(running: bool) -> dict[str, Any]:
    """The update of a Stop button when work begins and when it has ended.

    Updates in between must leave it alone: a button that is drawn again misses a click that is on its way.
    """
    return gr.update(elem_classes=[_STOP] if running else [_STOP, _IDLE], value="Stop", interactive=True)


def stop_when_clicked(button: gr.Button, ongoing: Ongoing) -> None:
    """Wire a Stop button, which says at once that it was pressed: a large model may be in the middle of a long step."""

    def stop(request: gr.Request) -> dict[str, Any]:
        ongoing.stop(request)
        return gr.update(value="Stopping …", interactive=False)

    button.click(stop, None, [button], api_visibility="private", concurrency_limit=None)

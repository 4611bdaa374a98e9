"""What goes on for a visitor, one thing at a time, and Stop, which lets it say its last words in order.

Gradio's own `cancels` does not wait for news that is on its way to the page: it would overwrite what Stop has said.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock

import gradio as gr


@dataclass(frozen=True)
class _Work:
    stopped: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)


class Ongoing:
    """For each visitor, by session, the one piece of work that sends news to the page."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._works: dict[str | None, _Work] = {}

    @contextmanager
    def begin(self, request: gr.Request) -> Iterator[Event]:
        """Work that has to end when the given event is set; what the visitor began before is stopped, and has ended."""
        visitor, work = request.session_hash, _Work()
        with self._guard:
            before, self._works[visitor] = self._works.get(visitor), work
        try:
            if before is not None:
                _end(before)
            yield work.stopped
        finally:
            with self._guard:
                if self._works[visitor] is work:
                    del self._works[visitor]
            work.ended.set()

    def stop(self, request: gr.Request) -> None:
        """Ask the visitor's work to end; it says so when it does."""
        with self._guard:
            if request.session_hash in self._works:
                self._works[request.session_hash].stopped.set()

    def end(self, request: gr.Request) -> None:
        """Stop the visitor's work, and wait until it has said its last words."""
        with self._guard:
            work = self._works.get(request.session_hash)
        if work is not None:
            _end(work)


def _end(work: _Work) -> None:
    work.stopped.set()
    work.ended.wait()


def stop_button(running: bool) -> dict:
    """The update of a Stop button when work begins and when it has ended.

    Not for the news in between: a button drawn anew would miss the click that is on its way.
    """
    return gr.update(visible=running, value="Stop", interactive=True)


def stop_when_clicked(button: gr.Button, ongoing: Ongoing) -> None:
    """Wire a Stop button, which says at once that it was heard: a large model may be in the midst of a long step."""

    def stop(request: gr.Request) -> dict:
        ongoing.stop(request)
        return gr.update(value="Stopping …", interactive=False)

    button.click(stop, None, [button], api_visibility="private", concurrency_limit=None)

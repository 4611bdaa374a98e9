"""What a page shows of an event that waits for its model or its place in line, and how Stop ends the waiting."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import gradio as gr

from .drawing import Updates
from .page_html import status
from .stoppable_work import Ongoing, stop_button

_NAME = "waits"

Event = TypeVar("Event", bound=Callable[..., Any])


@dataclass(frozen=True)
class Waits:
    """`say` shows a sentence while the event waits, `stopped` shows that the visitor ended it."""

    ongoing: Ongoing
    say: Callable[[str], Updates]
    stopped: Callable[[], Updates]


def waits_in_note(ongoing: Ongoing, note: gr.HTML, stop: gr.Button) -> Waits:
    """What is said stands in the note, beside the Stop button; the note is empty after Stop."""
    return Waits(
        ongoing,
        say=lambda said: {note: status(said), stop: stop_button(running=True)},
        stopped=lambda: {note: "", stop: stop_button(running=False)},
    )


def while_waiting(event: Event, waits: Waits) -> Event:
    """Attach to the function of an event what its page shows while it waits; gives the function."""
    setattr(event, _NAME, waits)
    return event


def waits_of(event: Callable[..., Any]) -> Waits | None:
    """What `while_waiting` attached, None where it did not."""
    found = getattr(event, _NAME, None)
    return found if isinstance(found, Waits) else None

"""How a tab changes: a function gives new values by component, and an event calls it.

What a function does not name stays as it is, so nothing depends on the order of components.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from ...files.layouts import WeightsError
from .page_html import problem

# New values, or a gr.update of other properties, by component.
Updates = dict[Any, Any]

# What Gradio calls a listener: `button.click`, `slider.input`, `event.then`.
Listener = Callable[..., Any]

# Everything that reads a text with a model waits for its turn: see `ui.host.model_events`.
MODEL_QUEUE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": None}
MODEL_EVENT: dict[str, Any] = MODEL_QUEUE | {"api_visibility": "private"}
# What is computed from a run as it was kept never waits for a model.
KEPT_EVENT: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": None}


@dataclass(frozen=True)
class Drawing:
    """A function, the components whose values it takes in their order, and those that it may change.

    fn gives Updates of at least one of the outputs. A function that does not read a text with a model never waits for a
    model.
    """

    fn: Callable[..., Updates]
    inputs: Sequence[Component]
    outputs: Sequence[Any]
    reads_text: bool = True

    def draw_on(self, *listeners: Listener) -> list[Listener]:
        """Draw again on any of these events; of several in a row, the last one counts.

        Gives the listeners for what follows a drawing, one for each event.
        """
        event = MODEL_EVENT if self.reads_text else KEPT_EVENT
        inputs, outputs = list(self.inputs), list(self.outputs)
        return [listen(self.fn, inputs, outputs, trigger_mode="always_last", **event).then for listen in listeners]


def with_note(note: gr.HTML, draw: Callable[[], Updates]) -> Updates:
    """What draw gives; where it refuses (ValueError, WeightsError), its sentence in the note and nothing else."""
    try:
        return {note: ""} | draw()
    except (ValueError, WeightsError) as error:
        return {note: problem(str(error))}


def chosen_into(state: gr.State, buttons: gr.HTML) -> Listener:
    """Keep in a state which button of a field was chosen; gives the listener for what follows."""

    def chosen(event: gr.SelectData) -> int:
        return int(event.index)

    return buttons.select(chosen, None, [state], api_visibility="private").then

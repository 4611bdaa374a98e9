"""The controls of a run, which the address holds and other tabs can set, and what starts a run from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from .drawing import Listener


@dataclass(frozen=True)
class Controls:
    """The inputs of a run. Their elem_ids are their names in the address."""

    prompt: gr.Textbox
    length: gr.Slider
    temperature: gr.Slider
    top_k: gr.Slider
    top_p: gr.Slider
    seed: gr.Number
    greedy: gr.Checkbox
    begin_with_end_of_text: gr.Checkbox

    def all(self) -> list[Any]:
        """As a list."""
        return list(vars(self).values())


@dataclass(frozen=True)
class Generating:
    """The Generate tab for the others: its controls, its strip, and the function that starts a run from them."""

    controls: Controls
    strip: gr.HTML
    fn: Callable[..., Any]
    inputs: Sequence[Any]
    outputs: Sequence[Any]
    compare_after: Callable[[Listener], None]  # what `generate.comparison_events` gives

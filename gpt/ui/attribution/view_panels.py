"""All views of this package that stand on the Inside tab, as the tab lays them out and draws them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import gradio as gr
from gradio.components import Component

from ...engine.fair_share import ASKING
from ...runs import Run
from ..common.drawing import Listener, Updates, with_note
from ..common.page_context import Page
from . import ablation_panel, head_scores_panel, importance_panel, patching_panel
from .view_panel import Panel

_MODULES = {
    "Heads by what they do": head_scores_panel,
    "Switch parts off": ablation_panel,
    "Which tokens mattered": importance_panel,
    "Swap a state": patching_panel,
}
NAMES = tuple(_MODULES)
OF_NO_PREDICTION = ("Heads by what they do", "Swap a state")  # they read texts of their own


@dataclass(frozen=True)
class Panels:
    """The panels by the name of their view."""

    by_name: dict[str, Panel]

    @property
    def inputs(self) -> list[Component]:
        """The inputs of all panels, one panel after the other."""
        return list(chain.from_iterable(panel.inputs for panel in self.by_name.values()))

    @property
    def controls(self) -> list[Component]:
        """Everything in the panels that a visitor sets."""
        return list(chain.from_iterable(panel.controls or panel.inputs for panel in self.by_name.values()))

    @property
    def outputs(self) -> list[Any]:
        """All that drawing one of them may change."""
        return list(chain.from_iterable([panel.area, panel.note, *panel.outputs] for panel in self.by_name.values()))

    @property
    def redraws(self) -> list[Listener]:
        """The events after which the tab draws again."""
        return list(chain.from_iterable(panel.redraws for panel in self.by_name.values()))

    def alone(self, draw: Callable[..., Updates]) -> Callable[..., Updates]:
        """draw, once nothing is computed and drawn any more of what the visitor asked before."""

        def drawn(*values: Any) -> Updates:
            for panel in self.by_name.values():
                panel.ongoing.end_outdated(ASKING.get().session)
            return draw(*values)

        return drawn

    def draw(self, name: str, run: Run, position: int | None, values: Sequence[Any]) -> Updates:
        """What one panel shows, or the sentence with which it refuses; values are those of the inputs of all."""
        start = 0
        for other, panel in self.by_name.items():
            if other == name:
                break
            start += len(panel.inputs)
        panel = self.by_name[name]
        own = values[start : start + len(panel.inputs)]
        return with_note(panel.note, lambda: panel.draw(run, position, *own))


def build(page: Page, strip: gr.HTML) -> Panels:
    """Lay all panels out, hidden; strip is the tab's, which some of them colour."""
    return Panels({name: module.build(page, strip) for name, module in _MODULES.items()})

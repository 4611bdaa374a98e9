"""What every tab is built with: the models, the visitor's run, and how to draw and save something of that run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from ...library import Library
from ...runs import Run
from ..host.host_options import LAPTOP, Options
from .address_values import Remembered
from .downloads import File, save_button
from .drawing import Drawing, Updates, with_note
from .page_html import NO_RUN
from .run_controls import Generating
from .stoppable_work import Ongoing


@dataclass(frozen=True)
class Opening:
    """What happens when a visitor comes to a tab, and when a page that opened on it has its first run."""

    tab: str
    drawing: Drawing
    first_run: Drawing


@dataclass(frozen=True)
class Page:
    """Handed to every tab's `build`. The states belong to the visitor, the library to everybody."""

    library: Library
    model: gr.State  # reference of the visitor's model, "" for the default
    chosen: gr.State  # the same once they have chosen one on the page, and no link: the run is made again with it
    run: gr.State  # Run | None: the generation all tabs look at
    position: gr.State  # int | None: which token of run.ids is selected, None where nobody has chosen one
    branch: gr.Textbox  # the run's branch as the address holds it, "" for a run of its own
    tabs: gr.Tabs  # of the page
    loaded_line: gr.HTML  # of the header: what is loaded
    models: gr.Dropdown  # of the header: the list of models
    whose: gr.HTML  # below the header: says so when the tabs show another model's run
    options: Options = LAPTOP  # what the host of this server has set
    generating: Generating | None = None  # the Generate tab: all tabs but itself have it
    openings: list[Opening] = field(default_factory=list)
    places: dict[tuple[str, str], Block] = field(default_factory=dict)  # by tab and name: see `reachable`
    linked: dict[tuple[str, str], Block] = field(default_factory=dict)  # the same: see `in_address`
    of_the_run: set[tuple[str, str]] = field(default_factory=set)  # those of them whose first value the run decides
    remembered: dict[tuple[str, str], Remembered] = field(default_factory=dict)  # see `remember_in_address`
    ongoing: Ongoing = field(default_factory=Ongoing)  # runs and branches: only one grows at a time

    def drawing(
        self, fn: Callable[..., Updates], inputs: Sequence[Component], outputs: Sequence[Any], note: gr.HTML
    ) -> Drawing:
        """Something drawn of the visitor's run: fn takes the Run, then the values of the inputs.

        The note says that there is no run yet, or with which sentence fn refuses (ValueError, WeightsError).
        """

        def draw(run: Run | None, *values: Any) -> Updates:
            return {note: NO_RUN} if run is None else with_note(note, lambda: fn(run, *values))

        return Drawing(draw, [self.run, *inputs], [note, *outputs])

    def when_opened(self, tab: str, drawing: Drawing, first_run: Drawing | None = None) -> None:
        """Draw whenever the tab with this key comes into view, and when the first run of a page on it is there.

        A tab that polls for a new run does something else for that first run.
        """
        self.openings.append(Opening(tab, drawing, first_run or drawing))

    def drawing_of(self, key: Component) -> Drawing:
        """Draws the tab whose key that component holds, as if it were opened. Call it once all tabs are there.

        Not the one that starts runs: it shows them as they grow, and a drawing that is still under way would show an
        older one.
        """
        assert self.generating is not None
        strip = self.generating.strip
        drawings = [(each.tab, each.drawing) for each in self.openings if strip not in each.drawing.outputs]
        inputs = list(dict.fromkeys(each for _, drawing in drawings for each in drawing.inputs))
        outputs = list(dict.fromkeys(each for _, drawing in drawings for each in drawing.outputs))

        def draw(tab: str, *values: Any) -> Updates:
            value_of = dict(zip(inputs, values, strict=True))
            drawn: Updates = {outputs[0]: gr.skip()}
            for owner, drawing in drawings:
                if owner == tab:
                    drawn |= drawing.fn(*(value_of[each] for each in drawing.inputs))
            return drawn

        return Drawing(draw, [key, *inputs], outputs)

    def reachable(self, tab: str, **components: Block) -> None:
        """Let others set what a tab shows, by these names: the address (`?tab=TAB&name=value`), and `opened`."""
        self.places.update({(tab, name): component for name, component in components.items()})

    def in_address(self, tab: str, components: Mapping[str, Block], of_the_run: bool = False) -> None:
        """Let the address hold what these components have, by these names, and nobody else set it.

        It leaves out what a component has at first, unless that follows the visitor's run.
        """
        places = {(tab, name): component for name, component in components.items()}
        self.linked.update(places)
        if of_the_run:
            self.of_the_run.update(places)

    def remember_in_address(
        self,
        tab: str,
        name: str,
        state: gr.State,
        write: Callable[[Any], str],
        read: Callable[[Mapping[str, str]], Any],
    ) -> None:
        """Let the address hold a state that only the server knows: write gives its text, read is Remembered's.

        The page is told that text in a hidden field.
        """
        told = gr.Textbox(write(state.value), visible="hidden")
        state.change(write, [state], [told], api_visibility="private")
        self.linked[tab, name] = told
        self.from_address(tab, name, state, read)

    def from_address(self, tab: str, name: str, state: Block, read: Callable[[Mapping[str, str]], Any]) -> None:
        """Set a state from a link as Remembered says; the page writes by another component what it needs for that."""
        self.remembered[tab, name] = Remembered(state, read)

    def opened(self, tab: str, **values: Any) -> Updates:
        """What opens a tab, with these values, or gr.updates, in the components that it made reachable."""
        return {self.tabs: gr.Tabs(selected=tab)} | {self.places[tab, name]: value for name, value in values.items()}

    def openable(self) -> list[Any]:
        """All components that `opened` may change: of the tabs built so far."""
        return [self.tabs, *self.places.values()]

    def save_button(
        self, label: str, elem_id: str, make: Callable[..., File | None], inputs: Sequence[Component] = ()
    ) -> None:
        """A button that saves a file made of the visitor's run: make takes the Run, then the values of the inputs.

        Before there is a run, and where make gives None, nothing is saved.
        """

        def file(run: Run | None, *values: Any) -> File | None:
            return None if run is None else make(run, *values)

        save_button(label, elem_id, file, [self.run, *inputs])


class Tab(Protocol):
    """A tab is a module with these names."""

    KEY: str  # in the address: ?tab=KEY
    LABEL: str  # on the page

    def build(self, page: Page) -> None:
        """Lay the tab out and wire it."""

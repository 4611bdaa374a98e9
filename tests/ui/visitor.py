"""A visitor of the page without a browser: components hold values, and an event runs what the page runs for it.

Gradio's server and the page's JavaScript take no part: tests/browser has those.
"""

from collections.abc import Iterator
from functools import lru_cache
from inspect import isgenerator
from itertools import count
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.blocks import Block, BlockFunction
from gradio.helpers import special_args

from gpt.library import Library
from gpt.runs import Run
from gpt.ui.host.host_options import LAPTOP, Options
from gpt.ui.page import build_page

_numbers = count()


@lru_cache(4)
def page_of(library: Library, options: Options = LAPTOP) -> gr.Blocks:
    """The page of a library, built once for all its visitors: that takes seconds, and it holds no values of theirs."""
    return build_page(library, options)


class Visitor:
    """Somebody who opened the page with an address; `news` holds all that the last event changed, in order."""

    def __init__(self, library: Library, options: Options = LAPTOP, **query: str) -> None:
        self.blocks = page_of(library, options)
        self.request = SimpleNamespace(session_hash=f"visitor {next(_numbers)}", query_params=query)
        self.values = {key: getattr(block, "value", None) for key, block in self.blocks.blocks.items()}
        self.news: list[tuple[Block, Any]] = []

    def component(self, elem_id: str) -> Block:
        """The component with this elem_id. Raises ValueError unless there is exactly one."""
        (found,) = [block for block in self.blocks.blocks.values() if block.elem_id == elem_id]
        return found

    def value(self, elem_id: str) -> Any:
        """What a component holds."""
        return self.values[self.component(elem_id)._id]

    def put(self, **values: Any) -> None:
        """Fill components by their elem_ids, a hyphen written as _ , without any event."""
        for name, value in values.items():
            ids = [block.elem_id for block in self.blocks.blocks.values() if block.elem_id]
            (elem_id,) = [elem_id for elem_id in ids if elem_id.replace("-", "_") == name]
            self.values[self.component(elem_id)._id] = value

    def fire(self, elem_id: str, event: str = "click", index: int | None = None) -> None:
        """Everything the page does on this event, with what follows from it; `index` is what was selected."""
        target = (self.component(elem_id)._id, event)
        started = [fn for fn in self.blocks.fns.values() if target in fn.targets]
        assert started, f"nothing happens on {event} of {elem_id}"
        self.news = []
        for fn in started:
            self._run(fn, index)

    def open_tab(self, label: str) -> str:
        """Bring a tab, or a panel of one, into view; gives all the HTML that this puts on the page."""
        (tab,) = [block for block in self.blocks.blocks.values() if isinstance(block, gr.Tab) and block.label == label]
        self.news = []
        for fn in self.blocks.fns.values():
            if (tab._id, "select") in fn.targets:
                self._run(fn, None)
        changes = [(block, _changed(value)) for block, value in self.news if isinstance(block, gr.HTML)]
        return " ".join(str(change["value"]) for _, change in changes if "value" in change)

    def load(self) -> None:
        """What happens when the page is opened."""
        self.news = []
        for fn in self.blocks.fns.values():
            if any(event == "load" for _, event in fn.targets):
                self._run(fn, None)

    def saved(self, button: str) -> Any:
        """The file that a press of the button sends."""
        self.fire(button)
        (file,) = [value for block, value in self.news if isinstance(block, gr.JSON)]
        return file

    @property
    def run(self) -> Run:
        """The run that all tabs look at."""
        (run,) = [value for value in self.values.values() if isinstance(value, Run)]
        return run

    def shown(self, elem_id: str) -> list[Any]:
        """All values that the last event gave a component, in order."""
        changed = [_changed(value) for block, value in self.news if block.elem_id == elem_id]
        return [change["value"] for change in changed if "value" in change]

    def _run(self, fn: BlockFunction, index: int | None) -> None:
        if fn.fn is not None:
            inputs = [block.preprocess(self.values[block._id]) for block in fn.inputs]
            selected = gr.SelectData(None, {"index": index, "value": ""})
            arguments, *_ = special_args(fn.fn, inputs, self.request, selected)
            for outcome in _outcomes(fn.fn(*arguments)):
                changed = self._apply(fn, outcome)
                for listening in self.blocks.fns.values():
                    if any((state, "change") in listening.targets for state in changed):
                        self._run(listening, index)
        for following in self.blocks.fns.values():
            if following.trigger_after == fn._id:
                self._run(following, index)

    def _apply(self, fn: BlockFunction, outcome: Any) -> list[int]:
        """Put what an event gave; gives the States that are not what they were, whose change the page answers."""
        states = []
        for block, value in _by_component(fn, outcome):
            self.news.append((block, value))
            change = _changed(value)
            if "value" in change:
                if isinstance(block, gr.State) and self.values[block._id] != change["value"]:
                    states.append(block._id)
                self.values[block._id] = change["value"]
        return states


def _outcomes(result: Any) -> Iterator[Any]:
    if isgenerator(result):
        yield from result
    else:
        yield result


def _by_component(fn: BlockFunction, outcome: Any) -> list[tuple[Block, Any]]:
    if isinstance(outcome, dict) and outcome and all(isinstance(key, Block) for key in outcome):
        return list(outcome.items())
    return list(zip(fn.outputs, [outcome] if len(fn.outputs) == 1 else outcome, strict=True))


def _changed(value: Any) -> dict[str, Any]:
    """The properties of a component that a returned value sets."""
    if isinstance(value, dict) and value.get("__type__") == "update":
        return {name: each for name, each in value.items() if name != "__type__"}
    return dict(value.constructor_args) if isinstance(value, Block) else {"value": value}

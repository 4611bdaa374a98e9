"""A view is a link, for every control that there is: found on the page, changed, and opened in a fresh browser.

What is exempt stands in NO_VIEW with its reason. A button is no control: what it does is done once. A fold is none:
what it hides is on the page all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Page

from gpt.library import Library
from gpt.ui import page as page_module
from gpt.ui.common.page_context import Page as Built
from tests.browser.test_links import query_of
from tests.browser.visitor import SCRIPT, Control, Visitor
from tests.in_process import serving

# By elem_id: what a reader can set and no link does.
NO_VIEW = {
    "own-prompt": "it is typed for another run: the prompt of that run is in the address",
    "train-text": "a visitor's own text, longer than an address may be; it does nothing before a training starts",
    "train-held-out": "as train-text",
    "train-path": "a link opens no path",
    "model-name": "it is chosen for Load: the model that is loaded then is in the address",
    "model-precision": "as model-name",
    "model-seed": "as model-name",
    "model-heads": "as model-name",
    "model-activation": "as model-name",
    "beside-strip": "its tokens are there to be read: a click on one does nothing",
}
# A run is what its settings wrote when this button was pressed.
WRITES = {"generate": "#generate"}

KEYS = ["generate", *(tab.KEY for tab in page_module.TABS)]
_MOST_LOOKS = 20  # at two views that stay different


class Walk:
    """Changes each control of a tab once, and compares each view with what its link opens in a fresh browser."""

    def __init__(self, open_page: Callable[..., Page], tab: str, **where: str) -> None:
        self._open = lambda query: Visitor(open_page(query, script=SCRIPT, **where))
        self.tab = tab
        self.here = self._open(f"?length=4&tab={tab}")
        self.changed: set[str] = set()

    def go(self) -> bool:
        """Change what is new in view, then look behind each option of what is a switch. Whether anything was new."""
        changed = [self.here.change(each) for each in iter(lambda: self._new(is_switch=False), None)]
        if changed:
            self.compare()
        tried = [self._try_all(each) for each in iter(lambda: self._new(is_switch=True), None)]
        return bool(changed or tried)

    def compare(self) -> None:
        """What the link of the page opens in a fresh browser is what the page shows."""
        if self.tab in WRITES:
            self.here.page.locator(WRITES[self.tab]).click()
            self.here.settle()
        fresh = self._open(query_of(self.here.page))
        one, other = _when_at_rest(self.here, fresh)
        address = self.here.page.url
        assert other.values == one.values, f"no place in the address {address}: {_differing(one.values, other.values)}"
        assert other.lines == one.lines, f"the link {address} shows something else: {_differing_lines(one, other)}"
        fresh.page.context.close()

    def _try_all(self, switch: Control) -> None:
        """Take each option in turn, compare the last one, and put the switch back: others may be in that view only."""
        was_news = False
        for option in switch.others():
            self.here.put(switch, option)
            was_news = self.go()
        if not was_news:
            self.compare()
        if switch.value is not None:
            self.here.put(switch, switch.value)

    def _new(self, is_switch: bool) -> Control | None:
        """A control in view that was not changed yet."""
        for control in self.here.controls():
            if control.is_switch is is_switch and control.key not in self.changed and control.id not in NO_VIEW:
                self.changed.add(control.key)
                return control
        return None


@dataclass(frozen=True)
class Seen:
    """What the controls in view hold, by key, and what stands there."""

    values: dict[str, Any]
    lines: list[str]


def _when_at_rest(here: Visitor, fresh: Visitor) -> tuple[Seen, Seen]:
    """What both show once that is the same, or does not change any more: figures are drawn after they have come."""
    seen, looks = None, 0
    while looks < _MOST_LOOKS:
        before, seen = seen, tuple(Seen(each.values(), each.shown()) for each in (here, fresh))
        if seen[0] == seen[1]:
            break
        looks = looks + 1 if seen == before else 0
        fresh.settle()
    return seen


def _differing(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Values here and from the link, by control."""
    keys = [key for key in one | other if one.get(key) != other.get(key)]
    return {key: (one.get(key), other.get(key)) for key in keys}


def _differing_lines(one: Seen, other: Seen) -> str:
    """Where two views differ, a few lines."""
    lines = unified_diff(one.lines, other.lines, "here", "from the link", n=0, lineterm="")
    return "\n".join(islice(lines, 12))


@pytest.mark.long
@pytest.mark.parametrize("tab", KEYS)
def test_every_control_of_a_tab_comes_back_from_its_link(open_page, tab: str):
    walk = Walk(open_page, tab)
    assert walk.go()


def with_a_control(key: str, in_address: bool) -> SimpleNamespace:
    """A tab with a control that decides what is shown."""

    def build(page: Built) -> None:
        strength = gr.Slider(0, 10, 3, step=1, label="Strength", elem_id=f"{key}-strength")
        said = gr.HTML("It is 3.")
        strength.change("It is {}.".format, [strength], [said], api_visibility="private")
        if in_address:
            page.in_address(key, {"strength": strength})

    return SimpleNamespace(KEY=key, LABEL=key.title(), build=build)


def test_a_control_that_is_added_without_a_place_in_the_address_is_found(open_page, small_folder, monkeypatch):
    added = with_a_control("kept", in_address=True), with_a_control("forgotten", in_address=False)
    monkeypatch.setattr(page_module, "TABS", (*page_module.TABS, *added))
    with serving("--model", str(small_folder)) as served:
        assert Walk(open_page, "kept", address=served.address).go()
        with pytest.raises(AssertionError, match=r"no place in the address.*'forgotten-strength slider': \(4, 3\)"):
            Walk(open_page, "forgotten", address=served.address).go()


def test_outside_of_the_tabs_nothing_can_be_set_but_the_model(open_page):
    here = Visitor(open_page("?length=4&tab=generate", script=SCRIPT))
    here.page.get_by_text("Change model").click()
    found = {control.id for control in here.controls_outside()}
    assert "model-precision" in found
    assert found <= {*NO_VIEW, "tabs"}


def test_what_is_exempt_is_on_the_page():
    page = page_module.build_page(Library())
    assert {block.elem_id for block in page.blocks.values()} >= set(NO_VIEW)

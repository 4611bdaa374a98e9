"""A view is a link, for every control that there is: found on the page, changed, and opened in a fresh browser.

What is exempt stands in NO_VIEW with its reason. A button is no control: what it does is done once. A fold is none:
what it hides is on the page all the same.
"""

from collections.abc import Callable
from types import SimpleNamespace

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from gpt.library import Library
from gpt.ui import page as page_module
from tests.browser.every_control import Looked, difference, walked
from tests.browser.test_links import query_of
from tests.in_process import serving

# By elem_id: what a reader can set and no link does.
NO_VIEW = {
    "own-prompt": "it is typed for another run: the prompt of that run is in the address",
    "train-text": "a visitor's own text, longer than an address may be; it does nothing before a training starts",
    "train-path": "a link opens no path",
    "model-name": "it is chosen for Load: the model that is loaded then is in the address",
    "model-precision": "as model-name",
    "model-seed": "as model-name",
    "model-heads": "as model-name",
    "model-activation": "as model-name",
}
# A run is what its settings wrote when Generate was pressed.
WRITES = {"Generate": "#generate"}

TABS = ["Generate", *(tab.LABEL for tab in page_module.TABS)]
RUN = "?length=4&tab="


def key_of(label: str) -> str:
    return label.lower().replace(" ", "-")


def opened(page: Page) -> Looked:
    """The page once its first run and the tab in front are drawn."""
    looked = Looked(page)
    expect(page.locator("#run-status")).to_contain_text("tokens/s", timeout=60_000)
    looked.settle()
    return looked


def compared(here: Looked, fresh: Looked) -> None:
    """What a fresh page shows is what the first one shows."""
    wanted, shown = here.values(), here.shown()
    found = fresh.values()
    for _ in range(20):
        if (found, fresh.shown()) == (wanted, shown):
            return
        fresh.page.wait_for_timeout(250)
        found = fresh.values()
    lost = {key: (value, found.get(key)) for key, value in wanted.items() if found.get(key) != value}
    assert not lost, f"these have no place in the address, which is {here.page.url}: {lost}"
    assert fresh.shown() == shown, difference(shown, fresh.shown())


def every_control_comes_back(open_page: Callable[..., Page], label: str, **where: str) -> set[str]:
    """Change all controls of a tab, open the link that the page writes, and compare every view. Gives their ids."""
    here = opened(open_page(f"{RUN}{key_of(label)}", **where))
    walk = walked(here, NO_VIEW)
    if label in WRITES:
        here.page.locator(WRITES[label]).click()
        here.settle()
    fresh = opened(open_page(query_of(here.page), **where))
    compared(here, fresh)
    for view in walk.views:
        for looked in (here, fresh):
            looked.see(view)
        compared(here, fresh)
    return {control.id for _, control in walk.changed.values()}


@pytest.mark.parametrize("label", TABS)
def test_every_control_of_a_tab_comes_back_from_its_link(open_page, label: str):
    assert every_control_comes_back(open_page, label)


@pytest.mark.long
@pytest.mark.parametrize("label", TABS)
def test_each_control_comes_back_when_it_alone_was_changed(open_page, label: str):
    first = opened(open_page(f"{RUN}{key_of(label)}"))
    for view, control in walked(first, NO_VIEW).changed.values():
        here = opened(open_page(f"{RUN}{key_of(label)}"))
        here.see(view)
        here.open_folds()
        here.change(control)
        if label in WRITES:
            here.page.locator(WRITES[label]).click()
            here.settle()
        fresh = opened(open_page(query_of(here.page)))
        compared(here, fresh)
        for looked in (here, fresh):
            looked.page.context.close()


def test_a_control_that_is_added_without_a_place_in_the_address_is_found(open_page, small_folder, monkeypatch):
    def build(_: object) -> None:
        gr.Slider(0, 10, 3, step=1, label="Strength", elem_id="forgotten")

    forgetful = SimpleNamespace(KEY="forgetful", LABEL="Forgetful", build=build)
    monkeypatch.setattr(page_module, "TABS", (*page_module.TABS, forgetful))
    with (
        serving("--model", str(small_folder)) as served,
        pytest.raises(AssertionError, match=r"no place in the address.*forgotten"),
    ):
        every_control_comes_back(open_page, "Forgetful", address=served.address)


def test_outside_of_the_tabs_nothing_can_be_set_but_the_model(open_page):
    here = opened(open_page(f"{RUN}generate"))
    here.page.get_by_text("Change model").click()
    found = {control.id for control in here.controls(outside=True)}
    assert "model-precision" in found
    assert found <= {*NO_VIEW, "tabs"}


def test_what_is_exempt_is_on_the_page():
    page = page_module.build_page(Library())
    assert {block.elem_id for block in page.blocks.values()} >= set(NO_VIEW)

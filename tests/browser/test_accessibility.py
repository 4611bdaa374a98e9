"""axe-core finds nothing to complain about on any tab, and, in the long form, in any of its views."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from gpt.ui.page import TABS
from tests.browser.visitor import SCRIPT

# What chooses between views: buttons of a row of chips, and tabs within a tab.
CHOICES = "[role=tabpanel] .chips label:visible, [role=tabpanel] [role=tab]:visible"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "resultTypes": ["violations"],  # the lists of what is well take half of its time
}


def test_axe_finds_nothing_on_any_tab(open_page):
    check(opened(open_page, "light", 1280), within=False)


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_in_any_view(open_page, theme: str, width: int):
    check(opened(open_page, theme, width), within=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_text_can_be_stopped_by_those_who_need_contrast(open_page, bundled_app, theme: str):
    page = open_page("?length=1000", theme=theme, address=bundled_app)
    expect(page.locator("#stop")).to_be_enabled(timeout=60_000)
    expect(page.locator("#stop")).to_be_visible()
    assert not complaints(page)
    page.locator("#stop").click()


def opened(open_page, theme: str, width: int) -> Page:
    """The page with its first run."""
    page = open_page("?length=6", theme=theme, width=width, script=SCRIPT)
    expect(page.locator("#run-status")).to_contain_text("6 new tokens", timeout=60_000)
    return page


def check(page: Page, within: bool) -> None:
    """Let axe read the page at each of its views."""
    found = [f"{where}: {complaint}" for where in views(page, within) for complaint in complaints(page)]
    assert not found, "\n".join(found)


def views(page: Page, within: bool) -> Iterator[str]:
    """Go through the tabs of the page, and the choices within them, and give each one's name once it is drawn."""
    for tab in page.locator("#tabs").evaluate(
        "tabs => [...tabs.querySelectorAll('[role=tab]')].map(tab => tab.dataset.tabId)"
    ):
        # In the page, as on a phone the tab may stand in a menu.
        page.locator(f"#tabs [data-tab-id='{tab}']").first.evaluate("tab => tab.click()")
        settled(page)
        yield tab
        for number in range(1, page.locator(CHOICES).count() if within else 0):
            choice = page.locator(CHOICES).nth(number)
            if not choice.count():
                break
            name = choice.inner_text()
            choice.click()
            settled(page)
            yield f"{tab}, {name}"


def settled(page: Page) -> None:
    """Wait until the page has its answers, and nothing has changed in it for a while."""
    page.evaluate(
        """() => visitor.settled(5, 60).then(() => new Promise((resolve) => {
          let waiting = setTimeout(resolve, 400);
          const again = () => { clearTimeout(waiting); waiting = setTimeout(resolve, 400); };
          new MutationObserver(again).observe(document.body, {childList: true, subtree: true});
          setTimeout(resolve, 20000);
        }))"""
    )


def complaints(page: Page) -> list[str]:
    """What axe says of the page as it is, with the first element that it means."""
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:120]} ({len(each['nodes'])})"
        for each in Axe().run(page, options=RULES).response["violations"]
    ]


@pytest.mark.parametrize("width", [320, 390])
def test_every_tab_can_be_seen_and_pressed_on_a_phone(open_page, width):
    page = open_page("?length=4", width=width)
    tabs = page.locator("#tabs > .tab-wrapper [role=tab]:visible")
    expect(tabs).to_have_count(len(TABS) + 1)
    tabs.last.click()
    expect(page.locator("#train-loss .main-svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width

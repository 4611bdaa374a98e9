"""Every figure of the page has a name that says what it shows, for those who hear it."""

import re

import pytest
from playwright.sync_api import Page

from tests.browser.test_accessibility import opened, views

# The names follow a figure with a short delay.
NAMES = """() => {
  const plots = [...document.querySelectorAll('.figure .js-plotly-plot')].filter((plot) => plot.checkVisibility());
  return plots.every((plot) => plot.getAttribute('role') === 'img') &&
    plots.map((plot) => [plot.getAttribute('aria-label'), plot.layout.meta.title]);
}"""


def test_every_figure_of_every_tab_says_what_it_shows(open_page):
    check(opened(open_page, "light", 1280), within=False)


@pytest.mark.long
def test_every_figure_of_every_view_says_what_it_shows(open_page):
    check(opened(open_page, "light", 1280), within=True)


def check(page: Page, within: bool) -> None:
    """Every figure in sight is one picture; its name holds its title and its numbers. There are some."""
    n = 0
    for where in views(page, within):
        for name, title in page.wait_for_function(NAMES).json_value():
            n += 1
            assert name.startswith(title), where
            assert re.search(r"\d", name.removeprefix(title)) and "%{" not in name, f"{where}: {name}"
    assert n

"""The page on a projector: type and figures grow with the window, and a figure still knows what the pointer is on."""

import re

import pytest
from playwright.sync_api import Page, expect

LAPTOP, PROJECTOR, WALL = 1280, 1920, 3840
MEASURED = {
    "type": "#norm-name label",
    "button": "#copy-link button",
    "tick": "#norm-figure .ytick text",
    "figure": "#norm-figure .main-svg",
    "its room": "#norm-figure",
}


# Once the figure has taken the width of its room.
HEIGHTS = """(measured) => {
  const boxes = Object.values(measured).map((found) => document.querySelector(found)?.getBoundingClientRect());
  const [figure, room] = boxes.slice(-2);
  if (!boxes.every(Boolean) || figure.width < 0.9 * room.width || figure.width > 1.01 * room.width) return null;
  return boxes.map(({height}) => height);
}"""


def heights(page: Page, width: int) -> list[float]:
    """In a window of that width, the heights in pixels on the screen of what MEASURED names."""
    page.set_viewport_size({"width": width, "height": 1080})
    found = page.wait_for_function(HEIGHTS, arg=MEASURED).json_value()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    return found


def test_type_and_figures_grow_with_the_window(open_page):
    page = open_page("?tab=layernorm&length=4&view=Per+token")
    expect(page.locator("#norm-figure .point").first).to_be_visible(timeout=60_000)
    before = heights(page, LAPTOP)
    for width in (PROJECTOR, WALL):
        after = heights(page, width)
        growth = {name: large / small for name, large, small in zip(MEASURED, after, before, strict=True)}
        assert growth == pytest.approx(dict.fromkeys(MEASURED, width / LAPTOP), rel=0.06), width


def test_the_pointer_finds_the_points_of_an_enlarged_figure(open_page):
    page = open_page("?tab=layernorm&length=4&view=Per+token", width=PROJECTOR, height=1080)
    points = page.locator("#norm-figure .point")
    expect(points.first).to_be_visible(timeout=60_000)
    for place, named in ((points.first, "Every (1)"), (points.last, "(8)")):
        place.hover(force=True)  # plotly listens in front of the points
        label = page.locator("#norm-figure .hovertext")
        expect(label).to_contain_text(named)
        box = label.bounding_box()
        assert box["x"] > 0
        assert box["x"] + box["width"] < PROJECTOR


def test_the_theme_is_changed_on_the_page_and_stays_in_the_address(open_page):
    page = open_page("?length=4")
    ground = page.locator("gradio-app").evaluate("app => getComputedStyle(app).backgroundColor")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("gradio-app")).not_to_have_css("background-color", ground)
    expect(page).to_have_url(re.compile("__theme=dark"))
    page.reload()
    expect(page.get_by_role("button", name="Light")).to_be_visible(timeout=60_000)
    expect(page.locator("gradio-app")).not_to_have_css("background-color", ground)
    page.get_by_role("button", name="Light").click()
    expect(page.locator("gradio-app")).to_have_css("background-color", ground)
    expect(page).to_have_url(re.compile("__theme=light"))

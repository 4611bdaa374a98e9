"""The LayerNorm tab in a real Chromium."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect


@pytest.fixture
def tab(open_page):
    def opened(**how: object) -> Page:
        page = open_page("?tab=layernorm&length=8", **how)
        expect(page.locator("#norm-strip .token")).to_have_count(4 + 8, timeout=60_000)
        expect(page.locator("#norm-figure .plotly")).to_be_visible(timeout=60_000)
        return page

    return opened


def drawn(page: Page, plot: str = "#norm-figure") -> str:
    """All paths and texts of the figure."""
    return page.locator(f"{plot} .main-svg").first.inner_html()


def changed(page: Page, before: str, plot: str = "#norm-figure") -> str:
    """What the figure shows once it is no longer as it was."""
    page.wait_for_function(
        "([plot, before]) => { const svg = document.querySelector(plot + ' .main-svg');"
        " return svg && svg.querySelector('.cartesianlayer path') && svg.innerHTML !== before; }",
        arg=[plot, before],
        timeout=60_000,
    )
    return drawn(page, plot)


def choose(page: Page, view: str) -> None:
    page.locator("#norm-view label", has_text=view).click()


def test_opening_the_tab_shows_the_first_new_token_at_the_first_norm(tab):
    page = tab()
    expect(page.locator("#norm-where")).to_contain_text("Token 5 of 12")
    expect(page.locator("#norm-numbers")).to_contain_text("normalized")
    expect(page.locator("#norm-strip .token.selected")).to_have_attribute("data-index", "4")


def test_another_norm_block_or_token_redraws_the_figure(tab):
    page = tab()
    first = drawn(page)
    page.locator("#norm-name label", has_text="norm2").click()
    second = changed(page, first)
    page.locator("#norm-block input[type=number]").fill("2")
    page.locator("#norm-block input[type=number]").press("Enter")
    third = changed(page, second)
    page.locator("#norm-strip .token").nth(6).click()
    changed(page, third)
    expect(page.locator("#norm-where")).to_contain_text("Token 7 of")
    page.locator("#norm-name label", has_text="final_norm").click()
    expect(page.locator("#norm-block input[type=number]")).to_be_disabled()


def test_every_view_draws_and_says_something_else(tab):
    page = tab()
    said = set()
    for view in ("Per token", "Feature map", "Scale and shift", "Through the depth", "Without norms", "Distribution"):
        before = drawn(page)
        choose(page, view)
        changed(page, before)
        said.add(page.locator("#norm-said").inner_text())
        expect(page.locator("#norm-second .plotly")).to_have_count(1 if view == "Without norms" else 0)
    assert len(said) == 6


def test_the_numbers_are_saved_as_csv(tab):
    page = tab()
    choose(page, "Through the depth")
    expect(page.locator("#norm-said")).to_contain_text("residual stream")
    with page.expect_download() as download:
        page.locator("#norm-csv").click()
    assert download.value.suggested_filename.startswith("layernorm-through-the-depth_")
    rows = list(csv.reader(Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    numbers = rows[0][rows[0].index("entering") + 1 :]
    assert len(rows) == 1 + 2 * 3 + 1 and len(numbers) == 12


def test_the_chapters_example_answers_to_its_controls(tab):
    page = tab()
    choose(page, "2 × 5 example")
    expect(page.locator("#example-numbers")).to_contain_text("0.9995")
    expect(page.locator("#norm-figure")).to_be_hidden()
    page.locator("#example-variance label", has_text="unbiased").click()
    expect(page.locator("#example-said")).to_contain_text("unbiased variance becomes")
    page.locator("#example-rows label", has_text="inputs").click()
    expect(page.locator("#example-numbers th[scope=col]")).to_have_count(1 + 5 + 3)


def test_nothing_is_wider_than_a_phone(tab):
    page = tab(width=390, theme="dark")
    for view in ("Per token", "Feature map", "2 × 5 example"):
        choose(page, view)
        page.wait_for_timeout(700)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

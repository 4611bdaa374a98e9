"""The Inside tab in a real Chromium."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect


@pytest.fixture
def tab(open_page):
    def opened(**how: object) -> Page:
        page = open_page("?tab=inside&length=8", **how)
        expect(page.locator("#inside-strip .token")).to_have_count(4 + 8, timeout=60_000)
        expect(page.locator("#inside-map .plotly")).to_be_visible(timeout=60_000)
        return page

    return opened


def choose(page: Page, view: str) -> None:
    page.locator("#inside-view label", has_text=view).click()


def test_every_head_of_every_block_has_a_map_and_a_click_enlarges_it(tab):
    page = tab()
    maps = page.locator("#inside-maps .map")
    expect(maps).to_have_count(3 * 4)
    selected = page.locator("#inside-strip .token").nth(4).inner_text()  # the first new one
    expect(page.locator("#inside-said")).to_contain_text(f"Block 0, head 0: “{selected}” looks at")
    maps.nth(6).click()
    expect(page.locator("#inside-said")).to_contain_text(f"Block 1, head 2: “{selected}” looks at")
    expect(page.locator("#inside-maps .map.selected")).to_have_attribute("data-index", "6")
    assert page.locator("#inside-maps img").evaluate("image => image.naturalWidth") == 4 * 12


def test_the_maps_answer_to_arrow_keys(tab):
    page = tab()
    page.locator("#inside-maps .map").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#inside-said")).to_contain_text("Block 1, head 1")


def test_the_strip_shows_where_the_chosen_token_looks(tab):
    page = tab()
    coloured = page.locator("#inside-strip .token.scaled")
    expect(coloured).to_have_count(5)
    page.locator("#inside-strip .token").nth(7).click()
    expect(coloured).to_have_count(8)
    expect(page.locator("#inside-where")).to_contain_text("Token 8 of")
    choose(page, "Residual stream")
    expect(coloured).to_have_count(0)


def test_the_chosen_token_is_the_same_on_the_layernorm_tab(tab):
    page = tab()
    page.locator("#inside-strip .token").nth(5).click()
    expect(page.locator("#inside-where")).to_contain_text("Token 6 of")
    page.get_by_role("tab", name="LayerNorm").click()
    expect(page.locator("#norm-where")).to_contain_text("Token 6 of")


def test_the_residual_stream_has_a_line_for_the_token_and_a_map_for_all(tab):
    page = tab()
    choose(page, "Residual stream")
    expect(page.locator("#inside-said")).to_contain_text("never replace the residual stream")
    expect(page.locator("#inside-figure .plotly")).to_be_visible()
    expect(page.locator("#inside-second .heatmaplayer image")).to_have_count(2)


def test_the_lens_shows_blocks_and_on_demand_their_halves(tab):
    page = tab()
    choose(page, "Logit lens")
    rows = page.locator("#inside-table tbody tr")
    expect(rows).to_have_count(1 + 3)
    page.get_by_label("Also between attention and feed-forward").check()
    expect(rows).to_have_count(1 + 2 * 3)
    expect(page.locator("#inside-table td.settled").last).to_be_visible()
    expect(page.locator("#inside-figure .plotly")).to_be_visible()
    with page.expect_download() as download:
        page.locator("#inside-csv").click()
    assert download.value.suggested_filename.startswith("inside-logit-lens_")
    table = list(csv.DictReader(Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert {row["rank of the final answer"] for row in table if row["after"] == "block 2 feed-forward"} == {"1"}


def test_nothing_is_wider_than_a_phone(tab):
    page = tab(width=390, theme="dark")
    for view in ("Attention", "Residual stream", "Logit lens"):
        choose(page, view)
        page.wait_for_timeout(700)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

"""The Map tab in a real Chromium."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect


@pytest.fixture
def tab(open_page):
    def opened(query: str = "", **how: object) -> Page:
        page = open_page(f"?tab=map&length=8{query}", **how)
        expect(page.locator("#map-picture .map-svg")).to_be_visible(timeout=60_000)
        expect(page.locator("#map-where")).to_contain_text("of 12")  # while the text is written, it is drawn as it is
        return page

    return opened


def test_the_link_beside_the_prompt_leads_to_the_map(open_page):
    page = open_page("?length=8")
    expect(page.locator("#run-strip .token")).to_have_count(12, timeout=60_000)
    page.locator("#see-the-model").click()
    expect(page.locator("#map-picture .map-svg")).to_be_visible()
    expect(page).to_have_url(re.compile("tab=map"))


def test_a_box_opens_its_code_and_the_address_keeps_it(tab):
    page = tab()
    page.locator("#map-picture .box", has_text="Feed-forward").click()
    expect(page.locator("#map-heading")).to_contain_text("Feed-forward of block 0")
    expect(page.locator("#map-code")).to_contain_text("class GELU(nn.Module):")
    expect(page).to_have_url(re.compile("view=feed-forward"))
    page.locator("#map-picture .box", has_text="Blocks 1 – 2").click()
    expect(page.locator("#map-heading")).to_contain_text("Transformer block 1")
    expect(page).to_have_url(re.compile("block=1"))
    page.locator("#map-strip .token").nth(6).click()
    expect(page).to_have_url(re.compile("token=7"))
    page.reload()
    expect(page.locator("#map-heading")).to_contain_text("Transformer block 1", timeout=60_000)
    expect(page.locator("#map-where")).to_contain_text("Token 7 of 12")


def test_the_map_answers_to_the_keyboard(tab):
    page = tab("&view=norm1")
    page.locator("#map-picture .box[tabindex='0']").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("#map-heading")).to_contain_text("Transformer block 0")
    expect(page.locator("#map-picture .box:focus")).to_have_attribute("aria-pressed", "true")


def test_a_cell_is_followed_from_two_vectors_to_a_weight(tab):
    page = tab("&view=attention&token=6")
    steps = page.locator("#map-follow .steps")
    expect(steps).to_contain_text("sum of the products")
    page.locator("#map-follow .cell[data-row='3'][data-column='1']").hover()
    expect(steps.locator(".pair")).to_have_text("·you (4) looks at ·effort (2)")
    expect(steps.locator(".vector i")).to_have_count(3 * 12)
    page.locator("#map-follow .cell[data-row='1'][data-column='3']").click()
    expect(steps).to_contain_text("mask: it is still to come")
    expect(steps.locator(".result").last).to_have_text("0 %")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(steps.locator(".pair")).to_have_text("·effort (2) looks at ·effort (2)")
    expect(steps).to_contain_text("mask: it may be seen")


def test_a_cell_that_moves_under_a_resting_pointer_is_not_followed(tab):
    page = tab("&view=attention&token=6")
    pair = page.locator("#map-follow .steps .pair")
    page.locator("#map-follow .cell[data-row='3'][data-column='3']").click()
    expect(pair).to_have_text("·you (4) looks at ·you (4)")
    page.keyboard.press("ArrowLeft")
    expect(pair).to_have_text("·you (4) looks at ·moves (3)")
    cells = page.locator("#map-follow .cells")
    cells.evaluate("(cells) => { cells.style.position = 'relative'; cells.style.top = '30px'; }")
    page.wait_for_timeout(300)
    expect(pair).to_have_text("·you (4) looks at ·moves (3)")


def test_a_redraw_of_the_same_numbers_keeps_the_cell_and_the_focus(tab):
    page = tab("&view=attention&token=6")
    pair = page.locator("#map-follow .steps .pair")
    page.evaluate("window.first = document.querySelector('#map-follow .following').cloneNode(true)")
    page.locator("#map-follow .cell[data-row='3'][data-column='3']").click()
    expect(pair).to_have_text("·you (4) looks at ·you (4)")
    page.evaluate("document.querySelector('#map-follow .following').replaceWith(window.first)")
    expect(pair).to_have_text("·you (4) looks at ·you (4)")
    page.keyboard.press("ArrowLeft")
    expect(pair).to_have_text("·you (4) looks at ·moves (3)")
    expect(page.locator("#map-follow .cell[aria-pressed=true]")).to_have_attribute("data-column", "2")


def test_one_step_leads_to_the_same_norm_on_its_tab(tab):
    page = tab("&view=norm2&block=2")
    page.locator("#map-more").click()
    expect(page.locator("#norm-said")).to_be_visible()
    expect(page).to_have_url(re.compile("tab=layernorm"))
    expect(page.locator("#norm-name input:checked")).to_have_value("norm2")
    expect(page.locator("#norm-block input").first).to_have_value("2")
    page.get_by_role("tab", name="Map").click()
    expect(page).to_have_url(re.compile("view=norm2"))


def test_the_feed_forward_box_leads_to_its_panel(tab):
    page = tab("&view=feed-forward")
    page.locator("#map-more").click()
    expect(page.locator("#neurons")).to_be_visible()
    expect(page.locator("#neurons")).to_contain_text("neurons fire")


def test_the_map_is_saved_as_a_drawing(tab):
    page = tab("&show=Length")
    with page.expect_download() as download:
        page.locator("#map-picture").get_by_role("button", name="Save picture as SVG").click()
    assert download.value.suggested_filename.startswith("map_")
    drawn = Path(download.value.path()).read_text()
    assert "<desc>" in drawn and "next token" in drawn.lower()


def test_nothing_is_wider_than_a_phone(tab):
    page = tab(width=390, theme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#map-picture .box", has_text="LayerNorm 2").click()
    expect(page.locator("#map-heading")).to_contain_text("LayerNorm 2")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page).to_have_url(re.compile("tab=map.*view=norm2|view=norm2.*tab=map"))

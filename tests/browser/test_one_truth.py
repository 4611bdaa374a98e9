"""After another model is loaded, no part of the page shows the old one's figures as the new one's."""

import re

from playwright.sync_api import Page, expect

from tests.browser.test_links import query_of


def load(page: Page, precision: str) -> None:
    """Load the same weights in another precision: a model of its own."""
    page.get_by_label(precision).check()
    page.locator("#load-model").click()
    expect(page.locator("#loaded")).to_contain_text(precision, timeout=60_000)


def test_a_loaded_model_is_on_every_tab_and_a_branch_says_whose_it_is(open_page):
    page = open_page("?length=8&tab=layernorm")
    expect(page.locator("#norm-where")).to_contain_text("read by", timeout=60_000)
    expect(page.locator("#whose")).to_be_hidden()
    page.get_by_text("Change model").click()
    load(page, "int8")
    expect(page.locator("#norm-where")).to_contain_text(":int8")  # the tab in front, without a click
    page.get_by_role("tab", name="Probabilities").click()
    expect(page.locator("#probabilities-strip .token")).to_have_count(12)
    expect(page.locator("#probabilities-summary")).not_to_contain_text("made by")
    page.locator("#probabilities-strip .token").nth(6).click()
    expect(page.locator("#opened-token")).to_contain_text("Token 7 of 12")
    page.locator("#candidates .candidate-row:not(.chosen) .candidate").first.click()
    expect(page.locator("#take")).to_be_enabled()
    page.locator("#take").click()
    expect(page.locator("#branch-strip .token")).to_have_count(12)
    load(page, "bfloat16")
    expect(page.locator("#whose-said")).to_contain_text("bfloat16 is loaded")
    expect(page.locator("#probabilities-summary")).to_contain_text("made by")
    expect(page).to_have_url(re.compile(r"[?&]run_model=file%3Asmall\d+%3Aint8(&|$)"))
    fresh = open_page(query_of(page))
    expect(fresh.locator("#whose-said")).to_have_text(page.locator("#whose-said").inner_text(), timeout=60_000)
    expect(fresh.locator("#loaded")).to_contain_text("bfloat16")
    for part in ("#branch-strip", "#probabilities-summary", "#candidates"):
        expect(fresh.locator(part)).to_have_text(page.locator(part).inner_text(), use_inner_text=True)
    assert "run_model=" in fresh.url
    page.locator("#whose-again").click()
    expect(page.locator("#whose")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("run_model="))
    expect(page.locator("#probabilities-summary")).not_to_contain_text("made by")
    expect(page.locator("#branch-strip .token")).to_have_count(12)

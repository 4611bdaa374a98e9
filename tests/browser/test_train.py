"""The Train tab in a real Chromium: a link to a saved step, the scrubber, a phone."""

import re

from playwright.sync_api import expect

from gpt.training.life import recorded_life


def test_a_link_opens_a_saved_step_and_another_one_is_kept_in_the_address(open_page):
    early, late = (str(recorded_life().kept_steps[at]) for at in (2, -1))
    page = open_page(f"?tab=train&saved={early}&length=4")
    expect(page.locator("#train-prompt")).to_contain_text(f"After {early} steps", timeout=60_000)
    expect(page.locator("#train-loss .main-svg").first).to_be_visible()
    page.locator(f"#train-step label:has(input[value='{late}'])").click()
    expect(page.locator("#train-candidates tr").nth(1)).to_contain_text("·red")
    page.locator("#train-maps .map").nth(5).click()
    expect(page.locator("#train-map-said")).to_contain_text("Block 1, head 1")
    expect(page).to_have_url(re.compile(f"saved={late}"))


def test_nothing_is_wider_than_a_phone(open_page):
    page = open_page("?tab=train&length=4", width=390, theme="dark")
    expect(page.locator("#train-candidates table")).to_be_visible(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

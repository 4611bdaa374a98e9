"""The Train tab in a real Chromium: a link to a saved step, the scrubber, a phone."""

import re

import pytest
from playwright.sync_api import expect

from gpt.training.training_history import recorded_history


def test_a_link_opens_a_saved_step_and_another_one_is_kept_in_the_address(open_page):
    early, late = (str(recorded_history().kept_steps[at]) for at in (2, -2))  # the last one is what a page begins with
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


@pytest.mark.long
def test_a_training_is_started_watched_by_another_and_its_step_opened(open_page):
    page = open_page("?tab=train&length=4")
    expect(page.locator("#train-open")).to_be_disabled(timeout=60_000)
    page.get_by_text("Train a model of your own").click()
    page.locator("#train-text textarea").fill("A fox ran over the hill and looked for the red ball. " * 60)
    sizes = {"emb-dim": 32, "n-layers": 1, "n-heads": 2, "context-length": 16, "batch-size": 4, "steps": 1500}
    for name, value in sizes.items():
        page.locator(f"#train-{name} input").fill(str(value))
    page.locator("#train-start").click()
    stands = page.locator("#train-stands")
    expect(stands).to_contain_text("Training: step", timeout=120_000)
    watching = open_page("?tab=train&length=4")
    watching.get_by_label("Started here").check()
    page.locator("#train-pause").click()
    for each in (page, watching):
        expect(each.locator("#train-stands")).to_contain_text("Paused after step", timeout=60_000)
        expect(each.locator("#train-said")).to_contain_text("learns pasted.txt")
    paused_at = int(re.search(r"step ([\d,]+)", stands.inner_text()).group(1).replace(",", ""))
    page.locator("#train-one-step").click()
    expect(stands).to_contain_text(f"Paused after step {paused_at + 1:,} of 1,500", timeout=120_000)
    page.locator("#train-go-on").click()
    expect(stands).to_contain_text("Finished: step 1,500 of 1,500", timeout=180_000)
    expect(page.locator("#train-step input:checked")).to_have_value("1500")
    page.locator("#train-open").click()
    expect(page.locator("#loaded")).to_contain_text("pasted@1500")

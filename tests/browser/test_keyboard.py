"""Without a mouse: the focus stays with the person, arrows move between tabs, and fields have plain names."""

import re

from playwright.sync_api import expect


def test_the_focus_goes_from_generate_to_stop_and_back(open_page, bundled_app):
    page = open_page("?length=4", address=bundled_app)
    expect(page.locator("#run-status")).to_contain_text("4 new tokens", timeout=60_000)
    page.locator("#length input[type=number]").fill("400")
    page.locator("#generate").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#stop")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#generate")).to_be_focused()


def test_the_focus_follows_a_token_to_the_tab_that_it_opens(open_page):
    page = open_page("?length=4")
    token = page.locator("#run-strip [data-index='3']")
    token.focus(timeout=60_000)
    page.keyboard.press("Enter")
    expect(page.locator("#probabilities-strip [data-index='3']")).to_be_focused()


def test_arrow_keys_move_between_tabs(open_page):
    page = open_page("?length=4")
    expect(page.locator("#run-status")).to_contain_text("4 new tokens", timeout=60_000)
    page.get_by_role("tab", name="Calculator").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="LayerNorm")).to_be_focused()
    expect(page.get_by_role("tab", name="LayerNorm")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Home")
    expect(page.get_by_role("tab", name="Generate")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="Train")).to_be_focused()


def test_the_fields_of_a_slider_have_its_name_and_show_the_focus(open_page):
    page = open_page("?length=4")
    slider = page.get_by_role("slider", name="Length", exact=True)
    expect(page.get_by_role("spinbutton", name="Length, as a number", exact=True)).to_be_visible(timeout=60_000)
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    expect(page.locator("input[aria-label*=' for ']")).to_have_count(0)


def test_a_list_opens_again_after_escape_and_enter_takes_the_very_name(open_page):
    page = open_page("?length=4")
    page.get_by_text("Change model").click(timeout=60_000)
    field, entries = page.locator("#model-name input"), page.locator("[role=listbox] [role=option]")
    field.click()
    expect(entries.first).to_be_visible()
    page.keyboard.press("Escape")
    expect(entries).to_have_count(0)
    field.click()
    expect(entries.first).to_be_visible()
    field.press("ControlOrMeta+a")
    field.press_sequentially("gpt2-124M")
    page.keyboard.press("Enter")
    expect(field).to_have_value(re.compile("^gpt2-124M: "))

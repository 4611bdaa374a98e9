"""Hints at words, in a real Chromium: on hover, on focus, and on a tap."""

from playwright.sync_api import Page, expect

from gpt.ui.common.glossary import GLOSSARY


def bubble(page: Page):
    return page.locator("#hint-bubble")


def test_a_word_says_what_it_means_on_hover_and_on_focus(open_page):
    page = open_page("?length=8")
    word = page.locator(".intro .term >> visible=true").first
    said = GLOSSARY[word.get_attribute("data-term")].said
    expect(bubble(page)).to_be_hidden()
    word.hover()
    expect(bubble(page)).to_contain_text(said)
    page.mouse.move(5, 700)
    expect(bubble(page)).to_be_hidden()
    word.focus()
    expect(bubble(page)).to_contain_text(said)
    assert word.get_attribute("aria-describedby") == "hint-bubble"
    page.keyboard.press("Escape")
    expect(bubble(page)).to_be_hidden()


def test_labels_of_controls_and_heads_of_tables_have_hints_too(open_page):
    page = open_page("?tab=layernorm&length=8")
    expect(page.locator("#norm-numbers th", has_text="deviation").first).to_have_attribute("data-term", "deviation")
    page.locator("#norm-numbers th[data-term='variance']").first.hover()
    expect(bubble(page)).to_contain_text(GLOSSARY["variance"].said)
    page.get_by_role("tab", name="Generate").click()
    label = page.locator("#temperature [data-term='temperature']")
    label.hover()
    expect(bubble(page)).to_contain_text(GLOSSARY["temperature"].said)


def test_a_tap_shows_the_hint_within_a_phone(open_page):
    page = open_page("?length=8", width=390)
    word = page.locator(".intro .term >> visible=true").last
    word.click()
    expect(bubble(page)).to_be_visible()
    box = bubble(page).bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.locator("#run-status").click()
    expect(bubble(page)).to_be_hidden()


def test_the_foot_of_the_page_lists_every_word(open_page):
    page = open_page("?length=8")
    expect(page.locator("#words dt")).to_have_count(len(GLOSSARY))
    page.locator("#words summary").click()
    expect(page.locator("#words dd").first).to_be_visible()

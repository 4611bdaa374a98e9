"""The fold with the code behind a view, by keyboard in a real Chromium."""

import pytest
from playwright.sync_api import Page, expect

LINK = "?prompt=Every+effort+moves+you&length=3&seed=123&tab=layernorm&view=Per+token&block=1&norm=norm2"


@pytest.fixture
def opened(open_page) -> Page:
    page = open_page(LINK)
    # The first text is there, and the view is drawn of it.
    expect(page.locator("#norm-strip .token")).to_have_count(4 + 3, timeout=60_000)
    expect(page.locator("#norm-figure .plotly")).to_be_visible(timeout=60_000)
    page.locator("#norm-code summary").press("Enter")
    expect(page.locator("#norm-code pre")).to_be_visible()
    return page


def test_the_copied_text_is_the_code_that_is_shown(opened):
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.keyboard.press("Tab")
    expect(opened.locator("#norm-code .copy-code")).to_be_focused()
    opened.keyboard.press("Enter")
    expect(opened.locator("#norm-code .copy-code")).to_have_text("Copied")
    copied = opened.evaluate("navigator.clipboard.readText()")
    assert copied == opened.locator("#norm-code code").text_content()
    for line in ("ids = tokenizer.encode('Every effort moves you')", "norm = traced.blocks[1].norm2"):
        assert line in copied.splitlines()


def test_the_fold_stays_open_while_the_view_changes(opened):
    opened.locator("#norm-name").get_by_label("norm1").check()
    expect(opened.locator("#norm-code code")).to_contain_text("norm = traced.blocks[1].norm1")
    expect(opened.locator("#norm-code pre")).to_be_visible()

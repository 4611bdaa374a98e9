"""A run saved as a file and opened again, and something beside it, in a real Chromium."""

import json

from playwright.sync_api import Page, expect

from tests.browser.test_generate import finished


def open_file(page: Page, path: object) -> None:
    with page.expect_file_chooser() as chosen:
        page.locator("#open-run").click()
    chosen.value.set_files(path)


def tokens(page: Page, strip: str) -> list[str]:
    return page.locator(f"{strip} .token").all_inner_texts()


def test_a_saved_run_opens_on_another_page_and_drives_every_tab(open_page, tmp_path):
    page = open_page("?length=6&seed=7&prompt=Hello,%20I%20am")
    finished(page)
    with page.expect_download() as saved:
        page.locator("#save-this-run").click()
    path = tmp_path / saved.value.suggested_filename
    saved.value.save_as(path)
    assert json.loads(path.read_text())["prompt"] == "Hello, I am"
    other = open_page("?length=3")
    finished(other)
    open_file(other, path)
    expect(other.locator("#run-status")).to_contain_text("6 new tokens, opened from a file.")
    assert tokens(other, "#run-strip") == tokens(page, "#run-strip")
    assert other.locator("#prompt textarea").input_value() == "Hello, I am"
    other.wait_for_function("location.search.includes('seed=7') && location.search.includes('length=6')")
    other.get_by_role("tab", name="Probabilities", exact=True).click()
    expect(other.locator("#probabilities-strip .token")).to_have_count(len(tokens(page, "#run-strip")))
    assert tokens(other, "#probabilities-strip") == tokens(page, "#run-strip")


def test_a_file_that_is_no_run_gets_one_sentence_and_loses_nothing(open_page, tmp_path):
    page = open_page("?length=3")
    finished(page)
    before = tokens(page, "#run-strip")
    page.locator("#prompt textarea").fill("typed, and not run yet")
    for name, content, said in (
        ("text.json", b"this is a text", "is no saved run"),
        ("large.json", b"\x00\xff" * 10_000_000, "larger than any saved run"),
        ("old.json", b'{"format": "GPT-2 explorer: a run", "format_version": 0}', "has the format 0"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        open_file(page, path)
        expect(page.get_by_role("alert")).to_contain_text(said)
        assert tokens(page, "#run-strip") == before
        assert page.locator("#prompt textarea").input_value() == "typed, and not run yet"
    expect(page.locator("#generate")).to_be_visible()


def test_the_untrained_model_stands_beside_the_text_with_one_click_and_a_link_brings_it_back(open_page):
    page = open_page("?length=5")
    finished(page)
    page.get_by_label("The same model, untrained").check()
    expect(page.locator("#beside-said")).to_contain_text("apart on average")
    page.wait_for_function("location.search.includes('beside=untrained')")
    shown, said = tokens(page, "#beside-strip"), page.locator("#beside-said").inner_text()
    assert len(shown) == 4 + 5
    expect(page.locator("#beside-figure .barlayer .point")).to_have_count(8)
    again = open_page(page.url[page.url.index("?") :].replace("__theme=light", "a=b"))
    expect(again.locator("#beside-said")).to_have_text(said)
    assert tokens(again, "#beside-strip") == shown
    again.locator("#generate").click()
    expect(again.locator("#beside-said")).to_have_text(said)


def test_the_next_text_takes_the_place_of_what_stood_beside_the_last_one(open_page):
    page = open_page("?length=5&beside=settings&beside_T=0&tab=generate")
    expect(page.locator("#beside-heading")).to_contain_text("greedy")
    page.locator("#prompt textarea").fill("Hello")
    page.locator("#generate").click()
    expect(page.locator("#beside-strip .token").first).to_have_text("Hello")
    page.get_by_label("Nothing", exact=True).check()
    expect(page.locator("#beside-strip")).to_be_hidden()


def test_a_phone_has_room_for_both(open_page):
    page = open_page("?length=5&beside=untrained&tab=generate", width=390, height=844)
    expect(page.locator("#beside-said")).to_contain_text("apart on average")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

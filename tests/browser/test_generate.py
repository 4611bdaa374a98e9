"""The Generate tab in a real Chromium."""

from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Page, expect

from tests.browser.in_page import in_page


def finished(page: Page) -> None:
    """Wait until the run on the page is complete."""
    expect(page.locator("#run-status")).to_contain_text("tokens/s", timeout=60_000)


def test_a_fresh_page_shows_a_finished_run_with_the_default_prompt(open_page):
    page = open_page()
    finished(page)
    tokens = page.locator("#run-strip .token")
    assert tokens.count() == 4 + 50
    assert tokens.nth(1).inner_text() == "·effort"
    expect(page.locator("#loaded")).to_contain_text("parameters")


def test_tokens_arrive_one_after_the_other_and_stop_keeps_what_there_is(open_page, bundled_app):
    slowest = "?length=500&prompt=Hello&top_k=0&top_p=0.99"  # a random model would be through with them in no time
    page = open_page(slowest, address=bundled_app)
    seen = in_page(
        page,
        """
        await until(() => shown('#stop'));
        const seen = await lengths('#run-strip .token.new');
        find('#stop').click();
        return seen;
        """,
    )
    assert seen == sorted(seen)
    expect(page.locator("#run-status")).to_contain_text("stopped")
    count = page.locator("#run-strip .token.new").count()
    assert seen[-1] <= count < 500
    expect(page.locator("#run-status")).to_contain_text(f"{count} new tokens, stopped")
    page.wait_for_timeout(500)
    assert page.locator("#run-strip .token.new").count() == count


def test_a_prompt_typed_by_a_person_is_continued_and_the_address_reproduces_it(open_page):
    page = open_page("?length=5")
    finished(page)
    page.get_by_text("Top-k, top-p, seed").click()
    settings = {"temperature": "1.5", "top_k": "0", "top_p": "0.95", "seed": "7"}
    for name, value in settings.items():
        page.locator(f"#{name} input[type=number]").fill(value)
        page.locator(f"#{name} input[type=number]").press("Tab")
    page.locator("#prompt textarea").fill("Hello, I am")
    page.locator("#generate").click()
    page.wait_for_function("document.querySelector('#run-strip .token').textContent === 'Hello'")
    finished(page)
    shown = page.locator("#run-strip .token").all_inner_texts()
    assert len(shown) == 4 + 5
    page.wait_for_function("location.search.includes('Hello')")
    settings |= {"prompt": "Hello, I am", "length": "5", "greedy": "false"}
    written = dict(parse_qsl(urlsplit(page.url).query))
    assert {name: written.get(name) for name in settings} == settings
    again = open_page(page.url[page.url.index("?") :].replace("__theme=light", "a=b"))
    finished(again)
    assert again.locator("#run-strip .token").all_inner_texts() == shown


def test_bad_input_gets_one_sentence_and_loses_nothing(open_page):
    page = open_page("?length=5")
    finished(page)
    shown = page.locator("#run-strip .token").all_inner_texts()
    for prompt, sentence in (("", "The prompt is empty"), ("x" * 100_000, "has 100,000 characters")):
        page.locator("#prompt textarea").fill(prompt)
        page.locator("#generate").click()
        expect(page.get_by_role("alert")).to_contain_text(sentence)
        assert page.locator("#prompt textarea").input_value() == prompt
        assert page.locator("#run-strip .token").all_inner_texts() == shown
        expect(page.locator("#generate")).to_be_visible()


def test_tokens_are_reached_with_the_arrow_keys_and_named_for_screen_readers(open_page):
    page = open_page("?length=5")
    finished(page)
    page.locator("#run-strip .token").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "·effort"
    assert "id 3626" in page.evaluate("document.activeElement.ariaLabel")
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.dataset.index") == "8"


def test_markup_in_a_prompt_is_shown_as_text(open_page):
    page = open_page(
        "?length=2&prompt=%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D1%22%3E%60%24%7B1%7D%7B%7Bx%7D%7D"
    )
    finished(page)
    assert page.locator("#run-strip img").count() == 0
    assert "<" in page.locator("#run-strip .token").first.inner_text()
    assert page.title() == "GPT-2 explorer"


def test_the_page_fits_a_phone(open_page):
    page = open_page("?length=5", width=390, height=844)
    finished(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_picker_changes_the_model_and_says_what_is_loaded(open_page):
    page = open_page("?length=2")
    finished(page)
    before = page.locator("#loaded").inner_text()
    page.get_by_text("Change model").click()
    page.get_by_label("int8").check()
    page.locator("#load-model").click()
    expect(page.locator("#loaded")).to_contain_text("int8", timeout=60_000)
    assert page.locator("#loaded").inner_text() != before
    other = open_page("?length=2")
    finished(other)
    expect(other.locator("#loaded")).to_contain_text("float32")


def test_a_file_that_is_no_model_gets_a_sentence_and_the_model_stays(open_page, tmp_path):
    fake = tmp_path / "fake.safetensors"
    fake.write_text("this is a text file")
    page = open_page("?length=2")
    finished(page)
    before = page.locator("#loaded").inner_text()
    page.get_by_text("Change model").click()
    page.get_by_label("Model", exact=True).fill(str(fake))
    page.get_by_label("Model", exact=True).press("Enter")
    page.locator("#load-model").click()
    expect(page.get_by_role("alert")).to_contain_text("fake.safetensors cannot be read", timeout=30_000)
    assert page.locator("#loaded").inner_text() == before


def test_the_page_is_as_wide_as_the_window_whatever_the_header_says(open_page):
    page = open_page(width=1100)
    assert page.locator(".gradio-container").first.bounding_box()["width"] == 1100

"""A view is a link: what the address holds is what a fresh page shows, in a real Chromium."""

import re
from hashlib import sha256
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect


def finished(page: Page) -> None:
    expect(page.locator("#run-status")).to_contain_text("tokens/s", timeout=60_000)


def query_of(page: Page) -> str:
    """The address from ? on, without the theme, which `open_page` adds."""
    split = urlsplit(page.url)
    kept = [part for part in split.query.split("&") if not part.startswith("__theme")]
    return f"?{'&'.join(kept)}" + (f"#{split.fragment}" if split.fragment else "")


def test_the_address_names_the_model_and_a_fresh_page_opens_it_before_its_first_run(open_page):
    page = open_page("?length=3", theme="dark")
    finished(page)
    expect(page).to_have_url(re.compile(r"model=file%3Asmall\d+.*"))
    page.get_by_text("Change model").click()
    page.locator("#model-precision").get_by_role("radio", name="int8").click()
    page.locator("#load-model").click()
    expect(page).to_have_url(re.compile(r"model=file%3Asmall\d+%3Aint8"))
    assert "__theme=dark" in page.url
    fresh = open_page(query_of(page))
    finished(fresh)
    expect(fresh.locator("#loaded")).to_contain_text("int8")
    expect(fresh).to_have_url(re.compile(r"model=file%3Asmall\d+%3Aint8"))
    fresh.get_by_text("Change model").click()
    expect(fresh.locator("#model-precision").get_by_role("radio", name="int8")).to_be_checked()
    fresh.get_by_role("tab", name="LayerNorm").click()
    expect(fresh.locator("#norm-where")).to_contain_text(":int8")


def test_what_a_link_may_not_load_is_a_sentence_with_a_button_and_stays_in_the_address(open_page, small_folder):
    page = open_page("?length=3&model=file%3Aelsewhere.safetensors")
    finished(page)
    expect(page.locator("#wanted-model")).to_contain_text("The link wants elsewhere.safetensors")
    expect(page.locator("#wanted-model button")).to_have_count(0)
    page.get_by_role("tab", name="LayerNorm").click()
    expect(page.locator("#norm-where")).to_contain_text("small")
    assert "elsewhere" in page.url
    page = open_page(f"?length=3&model={small_folder}/model.safetensors")
    finished(page)
    page.locator("#wanted-model button").click()
    expect(page.locator("#loaded b")).to_have_text(f"{small_folder}/model.safetensors")
    expect(page.locator("#wanted-model .problem")).to_have_count(0)
    expect(page).to_have_url(re.compile("model=file%3Amodel.safetensors"))


STRIPS = {
    "Probabilities": "#probabilities-strip",
    "LayerNorm": "#norm-strip",
    "Inside": "#inside-strip",
    "Map": "#map-strip",
}


def test_the_selected_token_is_in_the_address_and_the_same_on_every_tab_of_a_fresh_page(open_page):
    page = open_page("?length=6")
    finished(page)
    assert "token=" not in page.url
    page.get_by_role("tab", name="LayerNorm").click()
    page.locator("#norm-strip .token").nth(7).click()
    expect(page).to_have_url(re.compile(r"[?&]token=8(&|$)"))
    page.get_by_role("tab", name="Inside").click()
    page.locator("#inside-strip .token").nth(0).click()
    expect(page).to_have_url(re.compile(r"[?&]token=1(&|$)"))
    fresh = open_page(query_of(page))
    finished(fresh)
    for tab, strip in STRIPS.items():
        fresh.get_by_role("tab", name=tab, exact=True).click()
        expect(fresh.locator(f"{strip} .token.selected")).to_have_attribute("data-index", "0")


def test_a_link_selects_the_token_on_the_tab_that_it_opens(open_page):
    for tab, strip in STRIPS.items():
        page = open_page(f"?length=6&tab={tab.lower()}&token=7")
        expect(page.locator(f"{strip} .token.selected")).to_have_attribute("data-index", "6", timeout=60_000)
        expect(page).to_have_url(re.compile(r"[?&]token=7(&|$)"))


def write(page: Page, prompt: str) -> None:
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#prompt textarea").press("Tab")


# Too long for the query, and what no compression makes short enough for the fragment.
LONG = " ".join(f"word{number * 7919 % 9973}" for number in range(600))
RANDOM = "".join(sha256(bytes([number])).hexdigest() for number in range(256))


def test_a_long_prompt_travels_in_the_fragment_and_comes_back_to_the_letter(open_page):
    page = open_page("?length=2")
    finished(page)
    long = f"“Grüße”, 👩‍👩‍👧 {LONG}"
    write(page, long)
    expect(page).to_have_url(re.compile("#p=[A-Za-z0-9_-]{1000}"))
    assert "prompt=" not in page.url
    assert "length=2" in page.url
    expect(page.locator("#copy-link .too-long")).to_be_hidden()
    fresh = open_page("?tab=generate")  # a page that is there already goes to the link when its fragment is another
    fresh.goto(page.url)
    expect(fresh.locator("#prompt textarea")).to_have_value(long)
    finished(fresh)
    expect(fresh.locator("#run-strip .unread")).to_contain_text("Grüße")
    write(fresh, "Hello")
    expect(fresh).to_have_url(re.compile("prompt=Hello"))
    assert "#" not in fresh.url


def test_a_prompt_too_long_for_a_link_is_said_and_its_link_opens_no_other(open_page):
    page = open_page("?length=2&prompt=Hello&begin_with_end_of_text=true")
    finished(page)
    write(page, RANDOM)
    expect(page.locator("#copy-link .too-long")).to_be_visible()
    expect(page).to_have_url(re.compile("#p=$"))
    for link in (query_of(page), "?length=2&prompt=Hello#p=AAAA"):
        fresh = open_page()
        fresh.goto(f"{page.url.split('?')[0]}{link}")
        expect(fresh.locator("#prompt")).to_contain_text("too long for it")
        expect(fresh.locator("#prompt textarea")).to_have_value("")
        expect(fresh.locator("#run-status .problem")).to_be_visible()
        expect(fresh.locator("#run-strip .token")).to_have_count(0)
    write(page, "Hello again")
    expect(page.locator("#copy-link .too-long")).to_be_hidden()
    expect(page).to_have_url(re.compile("prompt=Hello"))


def test_the_copy_button_copies_the_address_by_keyboard_and_without_a_clipboard_selects_it(open_page):
    page = open_page("?length=2")
    finished(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name="Copy link")
    button.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    expect(button).to_be_visible()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    write(page, LONG)
    button.click()
    expect(page.get_by_label("Address of this view")).to_have_value(re.compile("#p=[A-Za-z0-9_-]{1000}"))
    assert page.evaluate("document.getSelection().toString()") == page.url


def test_after_a_step_back_the_page_that_goes_writes_no_address(open_page):
    page = open_page("?length=4&tab=layernorm")
    expect(page.locator("#norm-where")).to_contain_text("small")
    held = page.evaluate("""() => {
      window.dispatchEvent(new PopStateEvent('popstate'));
      window.history.replaceState(null, '', '?tab=inside');
      return window.location.search;
    }""")
    assert "tab=layernorm" in held


def test_back_and_forward_go_through_tabs_and_views(open_page):
    page = open_page("?length=4&prompt=The+end")
    finished(page)
    page.get_by_role("tab", name="LayerNorm").click()
    expect(page.locator("#norm-where")).to_contain_text("small")
    page.get_by_role("radio", name="Feature map").click()
    expect(page).to_have_url(re.compile(r"view=Feature\+map"))
    page.get_by_role("tab", name="Inside").click()
    expect(page.locator("#inside-where")).to_contain_text("small")

    page.go_back()
    expect(page.get_by_role("tab", name="LayerNorm")).to_have_attribute("aria-selected", "true", timeout=60_000)
    expect(page.get_by_role("radio", name="Feature map")).to_be_checked()
    expect(page.locator("#prompt textarea")).to_have_value("The end")
    page.go_back()
    expect(page.get_by_role("radio", name="Feature map")).not_to_be_checked(timeout=60_000)
    page.go_forward()
    expect(page.get_by_role("radio", name="Feature map")).to_be_checked(timeout=60_000)
    page.go_forward()
    expect(page.get_by_role("tab", name="Inside")).to_have_attribute("aria-selected", "true", timeout=60_000)

"""A view is a link: what the address holds is what a fresh page shows, in a real Chromium."""

import re
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

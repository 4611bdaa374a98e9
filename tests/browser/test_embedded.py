"""One view alone, and single parts taken away by the address, in a real Chromium."""

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from tests.serving import ROOT

ALONE = {"model": "#header", "tabs": "#tabs > .tab-wrapper", "footer": "#words"}
ON_GENERATE = {"prompt": "#prompt", "settings": "#length", "intro": ".intro", "text": "#run-strip", "code": "#run-code"}
ON_LAYERNORM = {"views": "#norm-name", "saving": "#norm-csv"}


def test_a_view_alone_is_drawn_and_its_link_opens_the_whole_page_on_it(open_page):
    page = open_page("?embed=1&tab=layernorm&length=4&view=Per+token&hide=code")
    expect(page.locator("#norm-figure .main-svg").first).to_be_visible(timeout=60_000)
    for part in (*ALONE.values(), ".intro:visible", "#norm-code"):
        expect(page.locator(part)).not_to_be_visible()
    expect(page.locator("#norm-strip")).to_be_visible()
    with page.context.expect_page(timeout=60_000) as opened:
        page.get_by_role("link", name="Open in GPT-2 explorer").press("Enter")  # a figure drawn late moves the link
    query = parse_qs(urlsplit(opened.value.url).query)
    assert query["view"] == ["Per token"] and query["tab"] == ["layernorm"]
    assert not query.keys() & {"embed", "hide"}


def test_embed_stays_in_the_address_when_another_view_is_chosen(open_page):
    page = open_page("?embed=1&tab=layernorm&length=4&hide=saving")
    page.get_by_role("radio", name="Feature map").click()
    expect(page).to_have_url(re.compile(r"embed=1.*view=Feature\+map"))
    assert "hide=saving" in page.url


def test_each_part_can_be_taken_away_alone_and_an_unknown_name_takes_nothing(open_page):
    for tab, parts in (("generate", ALONE | ON_GENERATE), ("layernorm", ON_LAYERNORM)):
        page = open_page(f"?tab={tab}&length=4&hide=nothing,embed")
        for part in parts.values():
            expect(page.locator(part).locator("visible=true").first).to_be_visible(timeout=60_000)
        page.get_by_role("link", name="Open in").wait_for(state="hidden")
        for name, part in parts.items():
            page.evaluate("(name) => { document.documentElement.dataset.hidden = name; }", name)
            expect(page.locator(part).locator("visible=true")).to_have_count(0)


def test_readme_names_every_part_of_the_stylesheet():
    known = set(re.findall(r'data-hidden~="(\w+)"', (ROOT / "assets" / "style.css").read_text(encoding="utf-8")))
    assert known == {*ALONE, *ON_GENERATE, *ON_LAYERNORM}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in known)

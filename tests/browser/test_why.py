"""The views that tell why a token came, in a real Chromium."""

import re
from collections.abc import Callable
from pathlib import Path
from threading import Event
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Locator, Page, expect

from gpt.attribution.head_effects import head_effects
from gpt.ui.attribution import ablation_panel, view_panel
from tests.in_process import serving

RUN = "?prompt=Every+effort+moves+you&length=6&seed=123&tab="
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Page, str], ElementTree.Element]:
    """The picture of a view as SVG, saved by the keyboard."""

    def save(page: Page, where: str) -> ElementTree.Element:
        button = page.locator(where).get_by_role("button", name="Save picture as SVG")
        button.wait_for(timeout=60_000)
        with page.expect_download() as download:
            button.press("Enter")
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        return ElementTree.fromstring(path.read_text())

    return save


def written(picture: ElementTree.Element) -> list[str]:
    """All texts of a picture."""
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


def signed_fills(picture: ElementTree.Element, colour: str) -> list[float]:
    """How strong the boxes of a picture are that have a colour, the weakest first."""
    return sorted(
        float(box.get("fill-opacity", "1")) for box in picture.iter(f"{SVG}rect") if box.get("fill") == colour
    )


def signed_backgrounds(elements: Locator) -> dict[str, list[float]]:
    """The same for elements of the page: strengths by colour."""
    found: dict[str, list[float]] = {}
    for text in elements.evaluate_all("(all) => all.map((each) => getComputedStyle(each).backgroundColor)"):
        red, green, blue, *rest = (float(part) for part in re.findall(r"[\d.]+", text))
        strength = round(rest[0] if rest else 1.0, 3)
        if strength >= 0.005:  # weaker ones are not drawn
            found.setdefault(f"#{int(red):02x}{int(green):02x}{int(blue):02x}", []).append(strength)
    return {colour: sorted(strengths) for colour, strengths in found.items()}


def in_view(page: Page, view: str, what: str) -> Locator:
    """A part of a view, once it is drawn."""
    found = page.locator(what)
    expect(found.first).to_be_visible(timeout=60_000)
    expect(page.locator("#inside-view label.selected")).to_have_text(view)
    return found


def test_the_field_of_parts_is_saved_in_the_colours_that_it_has_on_the_page(open_page, saved):
    page = open_page(f"{RUN}inside&view=Switch+parts+off&off=1.2")
    cells = in_view(page, "Switch parts off", "#off-field .cell")
    expect(cells).to_have_count(3 * (4 + 2))
    picture, shown = saved(page, "#off-field"), signed_backgrounds(page.locator("#off-field .cell:not(:hover)"))
    assert len(shown) == 2 and sum(map(len, shown.values())) > 4  # both signs, and most heads do something
    for colour, strengths in shown.items():
        assert signed_fills(picture, colour) == pytest.approx(strengths, abs=0.006)
    said = " ".join(written(picture))
    assert "without head 1.2, by zero" in said and "Inside: effect of every head" in said
    largest = page.locator("#off-field").locator("xpath=following::div[@class='legend'][1]/span[last()]").inner_text()
    assert f"±{largest.removeprefix('+')}." in said


def test_the_candidates_are_saved_with_the_numbers_that_are_on_the_page(open_page, saved):
    page = open_page(f"{RUN}inside&view=Switch+parts+off&off=0.all")
    numbers = in_view(page, "Switch parts off", "#off-candidates td").all_inner_texts()
    tokens = page.locator("#off-candidates .piece").all_inner_texts()
    texts = written(saved(page, "#off-candidates"))
    assert len(numbers) >= 3 * 8
    for text in (*numbers, *tokens):
        assert text in texts
    assert "without block 0" in " ".join(texts)


def test_the_text_without_parts_is_saved_token_by_token(open_page, saved):
    page = open_page(f"{RUN}inside&view=Switch+parts+off&off=0.all")
    page.locator("#off-again").click()
    expect(page.locator("#off-rewritten .token")).to_have_count(4 + 6)
    for strip in ("#off-original", "#off-rewritten"):
        tokens = page.locator(f"{strip} .token").all_inner_texts()
        texts = written(saved(page, strip))
        assert [text for text in texts if text in tokens][: len(tokens)] == tokens


def test_tokens_that_mattered_are_saved_in_the_colours_that_they_have_on_the_page(open_page, saved):
    page = open_page(f"{RUN}inside&view=Which+tokens+mattered&token=7")
    in_view(page, "Which tokens mattered", "#tokens-figure .plotly")
    tokens = page.locator("#inside-strip .token")
    picture, shown = saved(page, "#inside-strip"), signed_backgrounds(tokens.and_(page.locator("[style]")))
    assert shown
    for colour, strengths in shown.items():
        assert signed_fills(picture, colour) == pytest.approx(strengths, abs=0.006)
    assert set(tokens.all_inner_texts()) <= set(written(picture))


def test_a_head_of_the_account_opens_its_map_and_a_neuron_its_card(open_page):
    page = open_page(f"{RUN}probabilities&why=true")
    rows = page.locator("#account-parts .part-row button")
    expect(rows.first).to_be_visible(timeout=60_000)
    head = rows.filter(has_text=re.compile(r"^head ")).first
    name = head.inner_text().removeprefix("head ")
    head.click()
    expect(page.locator("#account-detail")).to_contain_text(f"Head {name}: what it looks at")
    expect(page.locator("#account-detail-figure .heatmaplayer image").first).to_be_visible()
    rows.filter(has_text=re.compile(r"^feed-forward ")).first.click()
    neurons = page.locator("#account-neurons .part-row button")
    expect(neurons.nth(2)).to_be_visible()
    number = re.findall(r"neuron (\d+)", neurons.nth(2).inner_text())[0]
    neurons.nth(2).click()
    expect(page.locator("#account-card")).to_contain_text(f"Neuron {number}: when it fires")
    expect(page.locator("#account-detail-figure .barlayer .point").first).to_be_visible()


def test_the_saved_account_has_the_parts_that_are_on_the_page(open_page, saved):
    page = open_page(f"{RUN}probabilities&why=true")
    numbers = page.locator("#account-parts td:nth-child(2)")
    expect(numbers.first).to_be_visible(timeout=60_000)
    texts = written(saved(page, "#account-parts"))
    assert numbers.all_inner_texts() and all(text in texts for text in numbers.all_inner_texts())


def test_a_link_has_all_that_was_chosen(open_page):
    link = f"{RUN}inside&view=Heads+by+what+they+do&heads-measure=Duplicate&heads-least=50&heads-seed=9&scored=5"
    page = open_page(link)
    in_view(page, "Heads by what they do", "#heads-field .cell")
    expect(page.locator("#heads-field .cell.chosen")).to_have_attribute("data-index", "5")
    expect(page.locator("#heads-said")).to_contain_text("Heads with much of “Duplicate”")
    page.locator("#heads-again").click()
    expect(page.locator("#heads-said")).to_contain_text("Heads with much of “Induction”")
    expect(page.locator("#heads-seed input")).to_have_value("10")
    page.wait_for_url(lambda url: "heads-seed=10" in url and "Duplicate" not in url and "scored" not in url)


def test_a_wrong_token_is_refused_in_a_sentence_and_the_grid_stays(open_page):
    page = open_page(f"{RUN}inside&view=Swap+a+state")
    in_view(page, "Swap a state", "#swap-figure .plotly")
    said = page.locator("#swap-said").inner_text()
    page.locator("#swap-token textarea, #swap-token input").fill(" king boy")
    page.keyboard.press("Tab")
    expect(page.locator("#swap-note")).to_contain_text("is 2 tokens, “·king” (#5822), “·boy” (#2933)")
    assert page.locator("#swap-said").inner_text() == said
    expect(page.locator("#swap-figure .plotly")).to_be_visible()


def test_a_measurement_ends_when_another_token_is_asked_about(open_page, small_folder, monkeypatch):
    go_on = Event()

    def slowly(*arguments):
        for block in head_effects(*arguments):
            yield block
            go_on.wait(60)

    monkeypatch.setattr(ablation_panel, "head_effects", slowly)
    monkeypatch.setattr(view_panel, "MOMENT_SECONDS", -1.0)  # a redraw measures one block
    field = "(all) => all.map((each) => each.ariaLabel)"
    with serving("--model", str(small_folder)) as served:
        page = open_page(f"{RUN}inside&view=Switch+parts+off&token=6", address=served.address)
        cells = page.locator("#off-field .cell")
        expect(cells.filter(has_text="").first).to_have_attribute("aria-label", re.compile("nats"), timeout=60_000)
        before = cells.evaluate_all(field)
        page.locator("#off-measure").click()
        expect(page.locator("#off-stop")).to_be_visible()
        page.locator("#inside-strip .token").nth(7).click()
        page.wait_for_timeout(1000)  # it has asked by now, and waits
        go_on.set()
        expect(page.locator("#off-said")).to_contain_text("token 8")
        expect(page.locator("#off-stop")).to_be_hidden()
        after = cells.evaluate_all(field)
        fresh = open_page(f"{RUN}inside&view=Switch+parts+off&token=8", address=served.address)
        expect(fresh.locator("#off-said")).to_contain_text("token 8", timeout=60_000)
        assert after[:4] == fresh.locator("#off-field .cell").evaluate_all(field)[:4] != before[:4]

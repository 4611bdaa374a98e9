"""The Building blocks tab in a real Chromium: every panel draws when it is opened and answers its controls."""

import pytest
from playwright.sync_api import Page, expect

# What each panel shows once it is drawn.
PANELS = {
    "Placeholder": "#ladder table",
    "GELU": "#gelu-difference .main-svg",
    "Feed-forward": "#feed-forward-layers .main-svg",
    "Shortcuts": "#model-gradients .main-svg",
    "Shapes": "#shapes-list table",
    "Text loop": "#turn li",
    "Dropout": "#dropout-passes table",
    "Printed figures": "#printed-figures table",
}
TAB = "?tab=building-blocks&length=6"


def opened(open_page, panel: str, **view) -> Page:
    """The page with one panel in front."""
    page = open_page(TAB, **view)
    page.wait_for_selector(PANELS["Placeholder"], timeout=60_000)
    choose(page, panel)
    return page


def choose(page: Page, panel: str) -> None:
    """Bring a panel to the front and wait until it is drawn."""
    page.locator("#panels").get_by_role("tab", name=panel, exact=True).click()
    page.wait_for_selector(PANELS[panel], timeout=60_000)


def plotted(page: Page, elem_id: str) -> dict:
    """The data and layout of a figure once it is drawn."""
    page.wait_for_selector(f"#{elem_id} .main-svg")
    return page.evaluate(
        """(id) => {
          const plot = document.querySelector(`#${id} .js-plotly-plot`);
          return {traces: plot.data.length, names: plot.data.map((t) => t.name), x: plot.layout.xaxis.range};
        }""",
        elem_id,
    )


def test_placeholder_becomes_the_model_part_by_part(open_page):
    page = opened(open_page, "Placeholder")
    rows = page.locator("#ladder tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.nth(0).get_by_role("img", name="real")).to_have_count(0)
    expect(rows.nth(4)).to_contain_text("100 %")
    expect(rows.nth(4)).to_contain_text("0.00 bits")
    expect(rows.nth(5).get_by_role("img", name="real")).to_have_count(3)
    page.locator("#parts").get_by_label("LayerNorm").check()
    expect(rows.nth(5)).to_contain_text("100 %")


def test_gelu_range_and_block_redraw_the_curves(open_page):
    page = opened(open_page, "GELU")
    assert plotted(page, "gelu-values")["names"][-3:] == ["ReLU", "GELU exact", "GELU tanh"]
    assert plotted(page, "gelu-derivatives")["traces"] == 3
    assert plotted(page, "gelu-difference")["traces"] == 1
    expect(page.locator("#gelu-said")).to_contain_text("block 0: 10 tokens × 192 inner neurons")
    page.locator("#reach input[type=number]").fill("7")
    page.locator("#reach input[type=number]").press("Enter")
    page.wait_for_function("document.querySelector('#gelu-derivatives .js-plotly-plot').layout.xaxis.range[1] > 6")
    page.locator("#gelu-block input[type=number]").fill("2")
    page.locator("#gelu-block input[type=number]").press("Enter")
    expect(page.locator("#gelu-said")).to_contain_text("block 2:")
    assert page.locator("#gelu-block input[type=range]").get_attribute("max") == "2"  # the small model has 3 blocks


def test_feed_forward_opens_the_token_that_is_clicked(open_page):
    page = opened(open_page, "Feed-forward")
    assert plotted(page, "feed-forward-layers")["traces"] == 3
    expect(page.locator("#neurons")).to_contain_text("(1, 48) → (1, 192) → (1, 48)")
    page.locator("#feed-forward-strip .token").nth(1).click()
    expect(page.locator("#neurons .piece")).to_have_text("·effort")
    expect(page.locator("#feed-forward-strip .token").nth(1)).to_have_class("token prompt selected")


def test_shortcuts_show_the_chapters_gradients_and_the_models(open_page):
    page = opened(open_page, "Shortcuts")
    assert plotted(page, "chapter-gradients")["names"] == ["with shortcuts", "without"]
    plotted(page, "model-gradients")
    chapter = page.locator("#chapter-gradients-said tbody tr")
    expect(chapter).to_have_count(5)
    # As section 4.4 prints them, as far as float32 goes.
    for layer, printed in (
        (0, (0.22169792652130127, 0.00020173587836325169)),
        (4, (1.3258540630340576, 0.00504964544)),
    ):
        found = [float(cell) for cell in chapter.nth(layer).locator("td").all_text_contents()]
        assert found == pytest.approx(printed, rel=5e-7)
    expect(page.locator("#model-gradients-said tbody tr")).to_have_count(3)


def test_shapes_of_any_batch_through_the_chapters_model(open_page):
    page = opened(open_page, "Shapes")
    page.locator("#shapes-text label", has_text="Any batch").click()
    page.locator("#shapes-model label", has_text="gpt2-124M").click()
    stages = page.locator("#shapes-list details")
    expect(stages).to_have_count(14)
    expect(stages.nth(1)).to_contain_text("2b × 3t × 768d")  # section 4.3
    page.locator("#shapes-length input[type=number]").fill("9")
    page.locator("#shapes-length input[type=number]").press("Enter")
    expect(stages.nth(1)).to_contain_text("2b × 9t × 3,0724d")
    page.locator("#shapes-model label", has_text="the loaded one").click()
    expect(stages).to_have_count(5)
    expect(stages.nth(1)).to_contain_text("2b × 9t × 48d")


def test_each_dropout_rate_acts_at_its_place(open_page):
    page = opened(open_page, "Dropout")
    rows = page.locator("#dropout-passes table").first.locator("tbody tr")
    expect(rows).to_have_count(3)
    page.locator("#rate-dropout input[type=number]").fill("0")
    page.locator("#rate-dropout input[type=number]").press("Enter")
    expect(rows.nth(1).locator("td").nth(2)).to_have_text("0")
    expect(rows.nth(0).locator("td").nth(0)).to_have_text("0.1")


def test_shapes_of_the_chapters_sentences_and_of_the_prompt(open_page):
    page = opened(open_page, "Shapes")
    stages = page.locator("#shapes-list details")
    expect(stages).to_have_count(5)
    expect(stages.nth(1).locator("tbody tr")).to_have_count(15)
    expect(stages.nth(4).locator("tbody tr").last).to_contain_text("2b × 4t × 50,257v")
    expect(stages.nth(2).locator("table")).to_be_hidden()
    stages.nth(2).locator("summary").click()
    expect(stages.nth(2).locator("table")).to_be_visible()
    page.locator("#shapes-text").get_by_label("The prompt").check()
    expect(stages.nth(4).locator("tbody tr").last).to_contain_text("1b × 4t × 50,257v")


def test_text_loop_appends_one_token_a_turn(open_page):
    page = opened(open_page, "Text loop")
    texts = page.locator("#turn li .numbered")
    expect(texts).to_have_count(4 + 5)
    picked = page.locator("#turn li").nth(3).locator(".piece").inner_text()
    page.locator("#next-turn").click()
    expect(texts).to_have_count(5 + 6)
    assert page.locator("#turn li").nth(0).locator(".piece.new").inner_text() == picked
    page.locator("#start-over").click()
    expect(texts).to_have_count(4 + 5)


def test_the_panel_in_front_follows_the_run(open_page):
    page = opened(open_page, "Text loop")
    page.locator("#tabs").get_by_role("tab", name="Generate", exact=True).click()
    page.locator("#prompt textarea").fill("Hello, I am")
    page.locator("#generate").click()
    page.wait_for_function("document.querySelector('#run-strip .token').textContent === 'Hello'")
    page.locator("#tabs").get_by_role("tab", name="Building blocks", exact=True).click()
    expect(page.locator("#turn .piece").first).to_have_text("Hello")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_panel_is_wider_than_a_phone(open_page, theme):
    page = opened(open_page, "Placeholder", width=390, theme=theme)
    for panel in PANELS:
        choose(page, panel)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, panel

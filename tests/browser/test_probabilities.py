"""The Probabilities tab in a real Chromium: open a token, reshape it, branch from it, come back."""

import csv
import io
import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.in_page import in_page

TAB = "?tab=probabilities&length=8"
N_PROMPT = 4  # tokens of the default prompt


def opened(page: Page, n_tokens: int = N_PROMPT + 8) -> Page:
    """Wait until the whole run is on the tab and its first new token is open."""
    expect(page.locator("#probabilities-strip .token")).to_have_count(n_tokens, timeout=60_000)
    expect(page.locator("#opened-token")).to_contain_text("Token ")
    return page


def strip(page: Page, name: str = "probabilities-strip") -> list[str]:
    return page.locator(f"#{name} .token").all_inner_texts()


def set_slider(page: Page, elem_id: str, value: float) -> None:
    number = page.locator(f"#{elem_id} input[type=number]")
    number.fill(str(value))
    number.press("Enter")


def saved(page: Page, button: str) -> str:
    with page.expect_download() as download:
        page.locator(button).click()
    return download.value.path().read_text(encoding="utf-8")


def test_prompt_tokens_carry_their_surprisal_and_the_prompt_its_perplexity(open_page):
    page = opened(open_page(TAB))
    names = [token.get_attribute("aria-label") for token in page.locator("#probabilities-strip .token").all()]
    assert "not predicted" in names[0]
    assert all(" bits, rank " in name and " %" in name for name in names[1:])
    expect(page.locator("#probabilities-summary")).to_contain_text("perplexity")


def test_a_token_clicked_on_generate_is_opened(open_page):
    page = open_page("?length=8")
    expect(page.locator("#run-status")).to_contain_text("length reached", timeout=60_000)
    page.locator("#run-strip .token").nth(6).click()
    expect(page.locator("#opened-token")).to_contain_text("Token 7 of 12")
    page.wait_for_url("**tab=probabilities**")


def test_arrow_keys_move_and_enter_opens(open_page):
    page = opened(open_page(TAB))
    page.locator("#probabilities-strip .token.selected").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#opened-token")).to_contain_text("Token 7 of 12")
    expect(page.locator("#probabilities-strip .token.selected")).to_be_focused()


def test_a_redraw_under_the_fingers_does_not_lose_the_focus(open_page):
    page = opened(open_page(TAB))
    page.locator("#probabilities-strip .token").nth(6).focus()
    focused = page.evaluate("""async () => {
        const strip = document.querySelector('#probabilities-strip .strip');
        strip.innerHTML = strip.innerHTML;
        await null;  // no longer: a key may follow at once
        return document.activeElement.dataset.index;
    }""")
    assert focused == "6"
    page.keyboard.press("Enter")
    expect(page.locator("#opened-token")).to_contain_text("Token 7 of 12")


def test_who_leaves_the_strip_is_not_pulled_back(open_page):
    page = opened(open_page(TAB))
    page.locator("#probabilities-strip .token").nth(6).focus()
    page.locator("#probabilities-summary").click()
    page.wait_for_timeout(50)
    assert page.evaluate("""async () => {
        const strip = document.querySelector('#probabilities-strip .strip');
        strip.innerHTML = strip.innerHTML;
        await null;
        return document.activeElement === document.body;
    }""")


def test_the_first_token_says_why_it_has_no_distribution(open_page):
    page = opened(open_page(TAB))
    page.locator("#probabilities-strip .token").first.click()
    expect(page.locator("#opened-token")).to_contain_text("Nothing comes before it")
    expect(page.locator("#take")).to_be_disabled()


def test_sliders_reshape_the_opened_step_and_leave_the_run_alone(open_page):
    page = opened(open_page(TAB))
    before = strip(page)
    fates = page.locator("#candidates .fate")
    assert fates.nth(1).inner_text() == "kept"
    set_slider(page, "k", 3)
    expect(fates.nth(4)).to_have_text("cut by top-k")
    set_slider(page, "p", 0.3)
    expect(fates.nth(2)).to_have_text("cut by top-p")
    set_slider(page, "T", 0)
    expect(fates.nth(2)).to_have_text("cut by greedy")
    expect(page.locator("#formula")).to_contain_text("greedy")
    set_slider(page, "rows", 20)
    expect(page.locator("#candidates tr.others")).to_contain_text("other tokens")
    expect(page.locator("#candidates tr.candidate-row").nth(19)).to_be_visible()
    page.locator("#as-run").click()
    expect(page.locator("#T input[type=number]")).to_have_value("0.8")
    expect(fates.nth(4)).to_have_text("kept")
    assert strip(page) == before


def test_the_formula_of_a_chosen_row_is_rendered_as_mathematics(open_page):
    page = opened(open_page(TAB))
    page.locator("#candidates .candidate").nth(1).click()
    expect(page.locator("#formula .katex").first).to_be_visible()
    row = page.locator("#candidates tr.candidate-row").nth(1)
    expect(row.locator("button")).to_have_attribute("aria-pressed", "true")
    logit = row.locator("td").nth(3).inner_text()
    expect(page.locator("#formula li").first).to_contain_text(logit)
    expect(page.locator("#formula")).not_to_contain_text("$")


def test_a_branch_grows_beside_the_original_nests_and_goes_back(open_page):
    page = opened(open_page(TAB))
    original = strip(page)
    page.locator("#probabilities-strip .token").nth(6).click()
    expect(page.locator("#opened-token")).to_contain_text("Token 7")
    row = page.locator("#candidates tr:not(.chosen) .candidate").first
    chosen = row.inner_text()
    row.click()
    expect(page.locator("#take")).to_have_text(f"Branch with {chosen}")
    page.locator("#take").click()
    expect(page.locator("#branch-strip .token")).to_have_count(12)
    expect(page.locator("#opened-token")).to_contain_text("chosen by you")
    assert strip(page) == original
    branch = strip(page, "branch-strip")
    assert branch[:6] == original[:6]
    assert branch[6] == chosen
    expect(page.locator(".branch-heading.original")).to_contain_text(original[6])
    expect(page.locator(".branch-heading.branch")).to_contain_text(chosen)

    page.locator("#branch-strip .token").nth(9).click()
    expect(page.locator("#opened-token")).to_contain_text("Token 10")
    page.locator("#candidates tr:not(.chosen) .candidate").first.click()
    page.locator("#take").click()
    expect(page.locator("#back")).to_have_text("Back to the branch before")
    assert strip(page) == branch
    page.locator("#back").click()
    expect(page.locator("#back")).to_have_text("Back to the original")
    page.locator("#back").click()
    expect(page.locator("#branch-strip")).to_be_hidden()
    assert strip(page) == original


def test_the_step_is_saved_as_csv_with_all_the_other_tokens_in_one_row(open_page):
    page = opened(open_page(TAB))
    rows = list(csv.DictReader(io.StringIO(saved(page, "#save-step"))))
    assert rows[-1]["token"].startswith("all ")
    assert sum(float(row["probability"]) for row in rows) == pytest.approx(1)
    assert sum(float(row["sampling_probability"]) for row in rows) == pytest.approx(1)
    assert "drawn" in [row["note"] for row in rows]


def test_the_run_is_saved_as_json(open_page):
    page = opened(open_page(TAB))
    run = json.loads(saved(page, "#save-run"))
    assert len(run["ids"]) == N_PROMPT + 8
    assert run["seed"] == 123
    assert run["prompt_tokens"][0]["probability"] is None
    assert [step["forced"] for step in run["steps"]] == [False] * 8


def test_another_prompt_runs_from_here_with_the_sliders_settings(open_page):
    page = opened(open_page(TAB))
    set_slider(page, "T", 0)
    page.get_by_text("Run again").click()
    # A field that is only now being made would put its first value over what is typed.
    expect(page.locator("#own-prompt textarea")).to_have_value("Every effort moves you")
    page.locator("#own-prompt textarea").fill("")
    page.locator("#run-again").click()
    expect(page.get_by_role("alert")).to_contain_text("The prompt is empty")
    page.locator("#own-prompt textarea").fill("Hello")
    page.locator("#run-again").click()
    opened(page, 1 + 8)
    expect(page.locator("#probabilities-summary")).to_contain_text("greedy")
    assert strip(page)[0] == "Hello"
    page.get_by_role("tab", name="Generate").click()
    expect(page.locator("#prompt textarea")).to_have_value("Hello")
    assert strip(page, "run-strip")[0] == "Hello"


# Token 7 is opened, another one taken instead of it, and the branch stopped as soon as it grows.
STOP_A_BRANCH = """
document.querySelectorAll('#probabilities-strip .token')[6].click();
await until(() => find('#opened-token').textContent.includes('Token 7'));
find('#candidates tr:not(.chosen) .candidate').click();
await until(() => !find('#take').disabled);
find('#take').click();
await until(() => shown('#stop-branch'));
find('#stop-branch').click();
"""


def test_a_branch_that_is_stopped_stays_as_it_is(open_page, bundled_app):
    page = open_page("?tab=probabilities&length=350&prompt=Hello&top_k=0&top_p=0.99", address=bundled_app)
    opened(page, 1 + 350)
    in_page(page, STOP_A_BRANCH)
    expect(page.locator("#stop-branch")).to_be_hidden()
    count = page.locator("#branch-strip .token").count()
    assert 7 <= count < 1 + 350
    page.wait_for_timeout(500)
    assert page.locator("#branch-strip .token").count() == count


def test_the_tab_follows_a_run_that_is_still_growing(open_page, bundled_app):
    page = open_page("?length=500&top_k=0&top_p=0.95", address=bundled_app)  # the slowest to draw from
    seen = in_page(
        page,
        """
        await until(() => count('#run-strip .token') > 5);
        openTab('Probabilities');
        return lengths('#probabilities-strip .token');
        """,
    )
    assert seen == sorted(seen)
    assert N_PROMPT < seen[0] < seen[-1] <= N_PROMPT + 500


def test_the_page_does_not_scroll_sideways_on_a_phone(open_page):
    page = opened(open_page(TAB, width=390))
    assert page.evaluate("document.documentElement.scrollWidth") == 390

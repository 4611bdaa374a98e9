"""The tour in a real Chromium: opened by its button or by a link, driven, closed, remembered."""

import re

import pytest
from playwright.sync_api import Page, expect

from gpt.ui.tour.tour_stops import LESSONS, PLACES, STOPS
from tests.browser.test_accessibility import complaints


@pytest.fixture
def tour(open_page, bundled_app: str):
    """Opens the page on a stop, and waits for its words."""

    def opened(lesson: str, step: int, **how: object) -> Page:
        page = open_page(f"?lesson={lesson}&step={step}", address=bundled_app, **how)
        expect(page.locator(".tour-text")).to_contain_text(title(lesson, step), timeout=60_000)
        return page

    return opened


def title(lesson: str, step: int) -> str:
    (stops,) = [each.stops for each in LESSONS if each.key == lesson]
    return stops[step - 1].title


def arrived(page: Page, lesson: str, step: int) -> None:
    """The bar says the stop's words, the address names it, and what it frames is in view above the bar."""
    expect(page.locator(".tour-text")).to_contain_text(title(lesson, step))
    expect(page).to_have_url(re.compile(rf"lesson={re.escape(lesson)}&step={step}\b|step={step}.*lesson={lesson}"))
    frame = page.locator(page.locator(".tour-bar").get_attribute("data-frame")).first
    expect(frame).to_be_visible()
    expect(frame).to_have_css("outline-style", "solid")
    page.wait_for_function(
        """selector => {
          const place = document.querySelector(selector).getBoundingClientRect();
          return place.height > 0 && place.top < document.querySelector('#tour').getBoundingClientRect().top - 20;
        }""",
        arg=page.locator(".tour-bar").get_attribute("data-frame"),
    )


def test_a_link_opens_on_its_stop_and_next_and_prev_drive_the_tabs(tour):
    page = tour("4.2", 3)
    arrived(page, "4.2", 3)
    expect(page.locator("#norm-view label.selected")).to_have_text("Through the depth")
    expect(page.locator("#norm-figure .main-svg").first).to_be_visible()
    selected = page.locator("#norm-strip .token.selected")
    expect(selected).to_have_text("·you")  # the prompt's last token, of which the stop speaks
    page.locator(".tour-step.next").click()
    arrived(page, "4.2", 4)
    expect(page.locator("#norm-view label.selected")).to_have_text("Without norms")
    expect(page.locator("#norm-said")).to_contain_text("replaced by the identity")
    expect(selected).to_have_text("·you")
    page.locator(".tour-step", has_text="Prev").click()
    arrived(page, "4.2", 3)
    expect(page.locator("#norm-said")).to_contain_text("Each block adds")


def test_the_answer_is_veiled_until_a_guess_and_read_out_then(tour):
    page = tour("4.2", 3)
    figure = page.locator("#norm-figures > *").first
    expect(figure).to_have_css("filter", "blur(7px)")
    expect(page.locator(".tour-answer")).to_have_text("")
    right = page.locator(".tour-choices").get_attribute("data-right")
    page.locator(f".tour-choices button:not([data-choice='{right}'])").first.click()
    expect(page.locator(".tour-answer")).to_contain_text("Not quite.")
    expect(page.locator(".tour-answer")).to_have_attribute("aria-live", "polite")
    expect(page.locator(".tour-choices .right")).to_have_count(1)
    expect(figure).to_have_css("filter", "none")
    assert complaints(page) == []


def test_the_button_opens_it_escape_closes_it_and_it_goes_on_where_it_was(open_page, bundled_app: str):
    page = open_page("?length=5&prompt=Hello", address=bundled_app)
    expect(page.locator("#run-status")).to_contain_text("5 new tokens", timeout=60_000)
    expect(page.locator("#tour")).to_be_hidden()
    page.locator("#follow-the-chapter").click()
    arrived(page, "start", 1)
    expect(page.locator(".tour-said")).to_be_focused()
    expect(page.locator("#run-strip .token")).to_have_count(28)
    page.locator(".tour-step.next").click()
    arrived(page, "start", 2)
    page.locator(".tour-step.next").click()
    arrived(page, "start", 3)
    expect(page.locator("#candidates .candidate").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#tour")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("lesson="))
    page.reload()
    expect(page.locator("#candidates .candidate").first).to_be_visible(timeout=60_000)
    page.get_by_role("tab", name="Generate").click()
    page.locator("#follow-the-chapter").click()
    arrived(page, "start", 3)


def test_on_a_phone_the_bar_is_thin_and_covers_nothing(tour):
    page = tour("4.2", 4, width=390, height=800)
    arrived(page, "4.2", 4)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#tour").bounding_box()["height"] < 220
    expect(page.locator("#norm-figure .main-svg").first).to_be_visible()
    page.mouse.wheel(0, 100_000)
    page.wait_for_function(
        """() => {
          window.scrollTo(0, document.documentElement.scrollHeight);  // a figure may have come meanwhile
          const end = (selector, side) => document.querySelector(selector).getBoundingClientRect()[side];
          return end('footer', 'bottom') <= end('#tour', 'top');
        }"""
    )


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 390])
def test_every_stop_opens_and_frames_something_in_view(tour, width: int):
    page = tour("start", 1, width=width)
    for index, (lesson, number) in enumerate(PLACES):
        arrived(page, lesson.key, number)
        assert (
            page.locator("#tabs [role=tab][aria-selected=true]").first.get_attribute("data-tab-id") == STOPS[index].tab
        )
        choices = page.locator(".tour-choices [data-choice]")
        if choices.count():
            choices.first.click()
            expect(page.locator(".tour-answer")).not_to_have_text("")
        expect(page.locator(".note .problem >> visible=true")).to_have_count(0)
        if index + 1 < len(PLACES):
            page.locator(".tour-step.next").click()

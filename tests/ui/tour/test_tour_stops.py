"""Every stop of the tour on the bundled model: its claim holds, its numbers are the model's, its place is there."""

import re
from dataclasses import replace

import pytest

from gpt.library import Library
from gpt.runs import grow, new_run
from gpt.ui.tour.tour_bar import bar_html
from gpt.ui.tour.tour_stop import PROMPT, SETTINGS, Guess, Stop, Told, guess, guess_number
from gpt.ui.tour.tour_stops import LESSONS, PLACES, STOPS, named_in, tab_of
from gpt.ui.tour.tour_text import Reading
from tests.ui.visitor import Visitor

NAMES = [f"{lesson.key} {number}" for lesson, number in PLACES]


def reading_of(library: Library) -> Reading:
    loaded = library.get()
    *_, run = grow(loaded.model, new_run(loaded.model, loaded.reference, PROMPT, SETTINGS))
    return Reading(library, loaded, run)


@pytest.fixture(scope="module")
def bundled() -> Reading:
    return reading_of(Library())


@pytest.fixture(scope="module")
def page() -> Visitor:
    return Visitor(Library())


@pytest.mark.parametrize("stop", STOPS, ids=NAMES)
def test_the_claim_of_a_stop_holds_for_the_bundled_model(stop: Stop, bundled: Reading):
    told = stop.tell(bundled)
    assert told.holds, told.said
    assert len(told.said) < 480, "two or three sentences"
    if told.guess is not None:
        assert 2 <= len(told.guess.choices) <= 3
        assert len(set(told.guess.choices)) == len(told.guess.choices)
        right = told.guess.choices[told.guess.right]
        assert re.search(r"[\d“]", told.guess.answer), "the answer has a number or a token"
        assert right


@pytest.mark.parametrize("stop", STOPS, ids=NAMES)
def test_a_stop_opens_and_frames_what_is_on_the_page(stop: Stop, page: Visitor):
    ids = {block.elem_id for block in page.blocks.blocks.values() if block.elem_id}
    for selector in (stop.frame, stop.hides or stop.frame):
        for each in re.findall(r"#[\w-]+", selector):
            assert each[1:] in ids
    page.fire("tour", "select", index=STOPS.index(stop))
    shown = page.value("tour")
    assert f'data-stop="{STOPS.index(stop)}"' in shown
    assert 'class="problem"' not in shown
    (opened,) = [value.selected for block, value in page.news if block.elem_id == "tabs"]
    assert opened == stop.tab
    changes = [change for block, change in page.news if block.elem_id != "tour"]
    for value in stop.values.values():
        assert any(value in (change, getattr(change, "selected", None), _value(change)) for change in changes), value


def _value(change: object) -> object:
    return change.get("value") if isinstance(change, dict) else None


def test_any_model_has_a_sentence_at_every_stop(uneven_library: Library):
    reading = reading_of(uneven_library)
    for stop in STOPS:
        assert stop.tell(reading).said


def test_a_stop_starts_the_text_that_it_speaks_of(page: Visitor):
    page.put(prompt="Hello, I am", length=3)
    page.fire("generate")
    page.fire("tour", "select", index=0)
    assert page.run.prompt == PROMPT and page.run.settings == SETTINGS
    assert page.value("prompt") == PROMPT and page.value("length") == SETTINGS.max_new_tokens
    written = page.run
    page.fire("tour", "select", index=1)
    assert page.run is written


@pytest.mark.parametrize("index", [len(STOPS), [0, 1]])
def test_a_click_on_no_stop_changes_nothing(page: Visitor, index: object):
    before = page.value("tour")
    page.fire("tour", "select", index=index)
    assert page.value("tour") == before


def test_a_page_opened_by_a_link_begins_on_the_stop():
    visitor = Visitor(Library(), lesson="4.2", step="4", prompt="Hello, I am", length="5")
    visitor.load()
    assert visitor.run.prompt == PROMPT and len(visitor.run.steps) == SETTINGS.max_new_tokens
    assert visitor.value("norm-view") == "Without norms"
    assert "Without norms" in visitor.value("tour"), "the first run brings the bar"
    assert "instead of" in visitor.value("norm-said")


def test_a_page_without_a_lesson_is_as_it_was():
    visitor = Visitor(Library(), prompt="Hello, I am", length="5", tab="layernorm", view="Per token")
    visitor.load()
    assert visitor.run.prompt == "Hello, I am"
    assert visitor.value("norm-view") == "Per token"


def test_an_address_names_a_stop_or_the_first_of_its_lesson():
    lesson = next(lesson for lesson in LESSONS if lesson.key == "4.2")
    assert named_in({"lesson": "4.2", "step": "3"}) is lesson.stops[2]
    for step in ("", "0", "99", "-1", "x", "9" * 5000, "²"):
        assert named_in({"lesson": "4.2", "step": step}) is lesson.stops[0]
    assert named_in({"lesson": "9.9", "step": "1"}) is None
    assert tab_of({"lesson": "4.2", "tab": "map"}) == "layernorm"
    assert tab_of({"tab": "map"}) == "map" and tab_of({}) is None


def test_lessons_follow_the_chapter():
    keys = [lesson.key for lesson in LESSONS]
    assert [key for key in keys if key.startswith("4.")] == [f"4.{section}" for section in range(1, 8)]
    assert keys[0] == "start" and len(keys) == len(set(keys))
    assert all(3 <= len(lesson.stops) <= 5 for lesson in LESSONS)


def test_a_model_that_does_not_do_what_a_stop_claims_is_said_to_be_another_case():
    assert "another case" in bar_html(0, Told("Its numbers are others.", holds=False))
    assert "another case" not in bar_html(0, Told("Its numbers are these."))


def test_what_a_model_writes_is_text_in_the_bar():
    shown = bar_html(0, Told("“<b>&”", Guess('"?', ("<i>", "2"), 0, '"<u>')))
    assert "<i>" not in shown and "<u>" not in shown and "“&lt;b&gt;&amp;”" in shown


def test_choices_that_read_alike_are_one():
    asked = guess_number("?", 3.0, (3.2, 1), "{:.0f}".format, "")
    assert asked == Guess("?", ("1", "3"), 1, "")
    assert guess("?", "b", ["a", "b"], "").choices == ("a", "b")


def test_the_untrained_model_is_asked_only_where_memory_has_room(page: Visitor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gpt.library.memory_bytes", lambda: 1_000_000)
    page.fire("tour", "submit")
    assert "choose a smaller one" in page.value("tour")


def test_the_untrained_model_answers_beside_the_loaded_one(page: Visitor, monkeypatch: pytest.MonkeyPatch):
    get = Library.get
    other = replace(get(Library()), name="noise")
    monkeypatch.setattr(Library, "is_loaded", lambda *_: True)
    monkeypatch.setattr(Library, "get", lambda self, name="": other if "untrained" in name else get(self, name))
    page.fire("tour", "submit")
    assert "The untrained model answers" in page.value("tour") and "storyteller" in page.value("tour")


def test_a_stop_that_speaks_of_the_token_that_was_read_selects_it(bundled: Reading):
    assert bundled.traced.token == len(bundled.prompt) - 1
    assert [stop.title for stop in STOPS if stop.reads_prompt] == [
        stop.title for stop in STOPS if shows_a_read_token(stop)
    ]


def shows_a_read_token(stop: Stop) -> bool:
    """Whether what the stop opens shows one token of the strip, and what the model made of it."""
    view = stop.values.get("view")
    return (
        (stop.tab == "layernorm" and view != "2 × 5 example")
        or (stop.tab == "inside" and view in ("Attention", "Residual stream", "Logit lens"))
        or stop.values.get("shown") == "feed-forward"
        or (stop.frame == "#map-code" and view == "block")
    )

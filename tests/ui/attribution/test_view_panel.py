"""Long computations of the page: begun in a redraw, continued on request, kept, and stopped."""

from itertools import count
from threading import Event, Thread
from types import SimpleNamespace

import gradio as gr
import pytest

from gpt.engine.fair_share import ASKING, Client
from gpt.generation import Settings
from gpt.runs import Run
from gpt.tracing import WINDOW
from gpt.ui.attribution import view_panel
from gpt.ui.attribution.prediction import prediction_of
from gpt.ui.attribution.view_panel import Kept, Panel, streaming
from gpt.ui.attribution.view_panels import Panels
from gpt.ui.common.stoppable_work import Ongoing, stop_button

RUN = Run("small", "", (1, 2, 3), Settings())


def numbers(first: int):
    """Steps of a computation: 0, 1, 4, 9, 16."""
    return (n * n for n in range(first, 5))


def test_a_redraw_takes_all_steps_that_are_quick():
    kept: Kept[int] = Kept()
    assert kept.in_a_moment("squares", numbers, 5) == [0, 1, 4, 9, 16]
    assert kept.of("squares") == [0, 1, 4, 9, 16] and kept.of("cubes") == []


def test_what_takes_longer_is_begun_and_continued_where_it_stopped(monkeypatch):
    monkeypatch.setattr(view_panel, "MOMENT_SECONDS", -1.0)
    kept: Kept[int] = Kept()
    asked = []

    def steps(first: int):
        asked.append(first)
        return numbers(first)

    assert kept.in_a_moment("squares", steps, 5) == [0]
    assert list(kept.more("squares", steps))[-1] == [0, 1, 4, 9, 16]
    assert kept.in_a_moment("squares", steps, 5) == [0, 1, 4, 9, 16]
    assert asked == [0, 1]


def test_only_the_latest_questions_are_kept(monkeypatch):
    monkeypatch.setattr(view_panel, "_MOST_KEPT", 2)
    kept: Kept[int] = Kept()
    for question in "abc":
        kept.in_a_moment(question, numbers, 5)
    assert kept.of("a") == [] and kept.of("b") and kept.of("c")


@pytest.fixture
def handled():
    """The updates of a streaming handler whose steps are given, by name of component."""
    with gr.Blocks():
        names = {gr.Button(): "stop", gr.HTML(): "note", gr.HTML(): "shown"}
    stop, note, shown = names

    def run(steps, run=RUN):
        handler = streaming(Ongoing(), stop, note, lambda *values: steps(shown, *values))
        updates = handler(SimpleNamespace(session_hash="visitor"), run, 7)
        return [{names[key]: value for key, value in each.items()} for each in updates]

    return run


def test_the_stop_button_is_there_while_steps_come(handled):
    first, *steps, last = handled(lambda shown, run, value: iter([{shown: (run, value)}]))
    assert first["stop"] == stop_button(running=True) and last["stop"] == stop_button(running=False)
    assert steps and all(step == {"shown": (RUN, 7)} for step in steps)


def test_stop_ends_the_steps_and_what_came_stays():
    ongoing, visitor = Ongoing(), SimpleNamespace(session_hash="visitor")
    with gr.Blocks():
        stop, note, shown = gr.Button(), gr.HTML(), gr.HTML()

    def steps(*_):
        yield {shown: 1}
        ongoing.stop(visitor)
        yield {shown: 2}
        pytest.fail("went on")

    *_, step, last = streaming(ongoing, stop, note, steps)(visitor, RUN)
    assert step in ({shown: 1}, {shown: 2})
    assert last == {stop: stop_button(running=False)}


def test_what_is_asked_anew_is_drawn_after_the_last_of_what_was_asked_before():
    ongoing, visitor = Ongoing(), SimpleNamespace(session_hash="visitor")
    with gr.Blocks():
        stop, note, shown = gr.Button(), gr.HTML(), gr.HTML()
        panel = Panel(gr.Column(), note, lambda *_: {}, [], [], [], ongoing=ongoing)
    drawn, begun = [], Event()

    def steps(*_):
        for number in count():
            yield {shown: number}
            begun.set()

    def work():
        drawn.extend(each.get(shown) for each in streaming(ongoing, stop, note, steps)(visitor, RUN))

    thread = Thread(target=work)
    thread.start()
    assert begun.wait(20)
    asking = ASKING.set(Client(session="visitor"))
    Panels({"view": panel}).alone(lambda value: drawn.append(value) or {})("anew")
    ASKING.reset(asking)
    thread.join(20)
    assert not thread.is_alive()
    assert [each for each in drawn if each is not None][-1] == "anew"


def test_what_waits_does_not_begin_once_something_else_is_asked():
    ongoing = Ongoing()
    with ongoing.waiting("visitor") as stopped, ongoing.waiting("somebody else") as other:
        ongoing.end_outdated("visitor")
        assert stopped.is_set() and not other.is_set()


def test_what_is_refused_becomes_a_note_and_the_button_goes(handled):
    def refuse(*_):
        raise ValueError("There is no <such> head.")
        yield

    last = handled(refuse)[-1]
    assert "There is no &lt;such&gt; head." in last["note"] and last["stop"] == stop_button(running=False)


def test_before_there_is_a_run_nothing_is_computed(handled):
    (only,) = handled(lambda *_: pytest.fail("computed"), run=None)
    assert "not there yet" in only["note"]


def test_a_prediction_reads_at_most_a_window_and_says_so(library):
    long = Run("small", "", tuple(range(1, 101)), Settings())
    found = prediction_of(library, long, 90)
    assert len(found.ids) == min(WINDOW, 64) == 64 and found.ids[-1] == 90 and found.token_id == 91
    assert "only the 64 tokens before it are read here, as if the text began with token 27" in found.said
    short = prediction_of(library, long, 3)
    assert short.ids == (1, 2, 3) and short.said.endswith("from the 3 tokens before it.")
    assert prediction_of(library, long, None).position == 99
    with pytest.raises(ValueError, match="Nothing comes before the first token"):
        prediction_of(library, long, 0)

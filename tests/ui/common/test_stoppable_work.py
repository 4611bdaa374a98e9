"""Work of one visitor at a time, and how it ends."""

from threading import Thread
from time import monotonic, sleep
from types import SimpleNamespace

import pytest

from gpt.ui.common.stoppable_work import Ongoing


def visitor(session_hash: str) -> SimpleNamespace:
    return SimpleNamespace(session_hash=session_hash)


ANN, BOB = visitor("ann"), visitor("bob")


def until(ready):
    limit = monotonic() + 30
    while not ready():
        assert monotonic() < limit
        sleep(0.001)


def has_ended(ongoing: Ongoing) -> bool:
    """Whether nobody would wait for Ann's work for ever."""
    waiting = Thread(target=ongoing.end, args=(ANN,), daemon=True)
    waiting.start()
    waiting.join(30)
    return not waiting.is_alive()


def test_stop_reaches_the_work_of_that_visitor_alone():
    ongoing = Ongoing()
    with ongoing.begin(ANN) as anns, ongoing.begin(BOB) as bobs:
        ongoing.stop(ANN)
        assert anns.is_set()
        assert not bobs.is_set()


def test_a_stop_that_comes_too_late_does_not_reach_the_next_work():
    ongoing = Ongoing()
    with ongoing.begin(ANN):
        pass
    ongoing.stop(ANN)
    assert has_ended(ongoing)
    with ongoing.begin(ANN) as stopped:
        assert not stopped.is_set()


@pytest.mark.parametrize("how", ["another begins", "it is ended"])
def test_what_replaces_work_waits_for_its_last_words(how):
    ongoing, said = Ongoing(), []

    def first():
        with ongoing.begin(ANN) as stopped:
            said.append("begun")
            until(stopped.is_set)
            sleep(0.05)
            said.append("last words")

    def second():
        if how == "it is ended":
            ongoing.end(ANN)
        else:
            with ongoing.begin(ANN):
                said.append("next")

    threads = [Thread(target=first), Thread(target=second)]
    threads[0].start()
    until(lambda: said)
    threads[1].start()
    threads[1].join(30)
    assert said[:2] == ["begun", "last words"]
    assert not threads[1].is_alive()
    threads[0].join(30)


def test_work_that_fails_has_ended_too():
    ongoing = Ongoing()
    with pytest.raises(ValueError, match="broken"), ongoing.begin(ANN):
        raise ValueError("broken")
    assert has_ended(ongoing)


def test_work_nobody_listens_to_any_more_has_ended_too():
    ongoing = Ongoing()

    def news():
        with ongoing.begin(ANN):
            yield 1

    stream = news()
    next(stream)
    del stream
    assert has_ended(ongoing)


def test_a_stop_between_waiting_and_beginning_ends_the_work():
    ongoing = Ongoing()
    with ongoing.waiting(ANN.session_hash):
        ongoing.stop(ANN)
        with ongoing.begin(ANN) as stopped:
            assert stopped.is_set()


def test_work_aside_ends_none_but_its_own_kind():
    ongoing = Ongoing()
    with ongoing.begin(ANN) as writing, ongoing.begin_aside(ANN) as nothing:
        assert nothing is None
        assert not writing.is_set()
    ended = []

    def aside():
        with ongoing.begin_aside(ANN) as stopped:
            until(stopped.is_set)
            ended.append("aside")

    working = Thread(target=aside)
    working.start()
    until(lambda: "ann" in ongoing._works)
    with ongoing.begin_aside(ANN) as stopped:
        assert ended == ["aside"]
        assert not stopped.is_set()
    working.join(30)
    with ongoing.begin_aside(ANN) as stopped:
        ongoing.stop(ANN)
        assert stopped.is_set()

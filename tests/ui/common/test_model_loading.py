"""What is said while a model loads."""

from contextlib import contextmanager

import pytest

from gpt.library import Library
from gpt.model_loads import Load, NobodyWaits
from gpt.model_reference import UNTRAINED
from gpt.ui.common.model_loading import loading


class Slow(Library):
    """A library whose loads say one thing and then take their time."""

    def __init__(self) -> None:
        super().__init__(UNTRAINED)
        self.load, self.n_waiting = Load(UNTRAINED, 0), 0

    def is_loaded(self, _reference):
        return False

    @contextmanager
    def loading(self, _reference):
        self.n_waiting += 1
        try:
            yield self.load
        finally:
            self.n_waiting -= 1


def test_the_last_news_is_said_again_until_the_model_is_there():
    library = Slow()
    saying = loading(library, "")
    assert next(saying) == "Loading the model …"
    library.load.said = "half of it"
    assert [next(saying), next(saying)] == ["half of it"] * 2
    library.load.model = object()
    library.load.done.set()
    assert list(saying) == []


def test_who_stops_asking_waits_no_longer():
    library = Slow()
    saying = loading(library, "")
    next(saying)
    assert library.n_waiting == 1
    saying.close()
    assert library.n_waiting == 0


def test_a_load_that_ended_because_others_left_is_begun_again():
    library = Slow()
    saying = loading(library, "")
    next(saying)
    ended, library.load = library.load, Load(UNTRAINED, 0)
    ended.error = NobodyWaits()
    ended.done.set()
    assert next(saying) == "Loading the model …"
    assert library.n_waiting == 1


def test_a_load_that_fails_raises_what_it_raised():
    with pytest.raises(ValueError, match="no model called 'nonsense'"):
        list(loading(Library(), "nonsense"))

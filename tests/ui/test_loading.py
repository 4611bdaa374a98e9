"""What is said while a model loads."""

from threading import Event

import pytest

from gpt.library import UNTRAINED, Library
from gpt.ui.loading import loading


class Slow(Library):
    """A library that says one thing and then takes its time."""

    def __init__(self) -> None:
        super().__init__(UNTRAINED)
        self.there = Event()

    def get(self, _reference, on_progress):
        on_progress("half of it")
        assert self.there.wait(30)


def test_the_last_news_is_said_again_until_the_model_is_there():
    library = Slow()
    saying = loading(library, "")
    assert next(saying) == "Loading the model …"
    assert "half of it" in saying  # consumes what was said before it
    assert next(saying) == "half of it"
    library.there.set()
    assert set(saying) <= {"half of it"}


def test_a_load_that_fails_raises_what_it_raised():
    with pytest.raises(ValueError, match="no model called 'nonsense'"):
        list(loading(Library(), "nonsense"))

"""Loads: one for each model, in turns, within memory, and none that nobody waits for."""

import gc
from threading import Event
from time import monotonic, sleep

import pytest

from gpt import model_loads
from gpt.engine.fair_share import ASKING, Client
from gpt.model_loads import Load, Loads, Memory, NobodyWaits


class Model:
    """Something that takes memory."""


class Shelf:
    """Loads of models of 10 bytes, each of which ends when it is told to; `log` has what began, in order."""

    def __init__(self, limit: int) -> None:
        self.memory = Memory(lambda: limit)
        self.models: list[Model] = []
        self.loads: Loads[Model] = Loads(self.memory, self.let_go)
        self.log: list[str] = []
        self.end = {}

    def let_go(self) -> bool:
        return bool(self.models) and self.models.pop() is not None

    def join(self, key: str) -> Load[Model]:
        self.end.setdefault(key, Event())
        return self.loads.join(key, 10, lambda load: load.key, self.read)

    def read(self, _: Load[Model], key: str) -> Model:
        self.log.append(key)
        assert self.end[key].wait(30)
        model = Model()
        self.memory.take(model, 10)
        return model


def until(ready) -> None:
    limit = monotonic() + 30
    while not ready():
        assert monotonic() < limit
        sleep(0.005)


def test_what_takes_more_later_is_counted_as_it_is_then():
    memory, model = Memory(lambda: 100), Model()
    model.n_bytes = 10
    memory.take(model, lambda each: each.n_bytes)
    assert memory.taken() == 10
    model.n_bytes = 30
    assert memory.taken() == 30
    del model
    gc.collect()
    assert memory.taken() == 0


def test_who_joins_later_gets_the_same_load():
    shelf = Shelf(100)
    one, other = shelf.join("a"), shelf.join("a")
    assert one is other
    shelf.end["a"].set()
    assert one.done.wait(30)
    assert shelf.log == ["a"]
    assert shelf.join("a") is not one


def test_two_are_read_at_once_and_the_others_say_that_they_wait():
    shelf = Shelf(100)
    loads = [shelf.join(key) for key in "abcd"]
    until(lambda: len(shelf.log) == 2)
    waiting = [load for load in loads if load.key not in shelf.log]
    until(lambda: all(load.said == "Waiting for other models to load …" for load in waiting))
    for end in shelf.end.values():
        end.set()
    assert all(load.done.wait(30) for load in loads)
    assert sorted(shelf.log) == list("abcd")


def test_a_load_that_nobody_waits_for_any_more_does_not_start():
    shelf = Shelf(100)
    loads = [shelf.join(key) for key in "abcd"]
    until(lambda: len(shelf.log) == 2)
    (left, stays) = [load for load in loads if load.key not in shelf.log]
    shelf.loads.leave(left)
    assert left.done.wait(30)
    with pytest.raises(NobodyWaits):
        left.answer()
    for end in shelf.end.values():
        end.set()
    assert stays.done.wait(30)
    assert left.key not in shelf.log


def test_what_is_loaded_being_loaded_and_still_used_counts_together():
    shelf = Shelf(25)
    used = Model()
    shelf.memory.take(used, 10)
    loads = [shelf.join(key) for key in "ab"]
    until(lambda: len(shelf.log) == 1)
    (waiting,) = [load for load in loads if load.key not in shelf.log]
    until(lambda: waiting.said == "Waiting for memory that other models use …")
    del used  # whoever used it has finished
    until(lambda: len(shelf.log) == 2)
    assert shelf.memory.taken() <= 25
    for end in shelf.end.values():
        end.set()
    assert all(load.done.wait(30) for load in loads)


def test_room_is_made_by_letting_go_of_models_that_nobody_uses():
    shelf = Shelf(25)
    for _ in range(2):
        model = Model()
        shelf.memory.take(model, 10)
        shelf.models.append(model)
    del model
    load = shelf.join("c")
    shelf.end["c"].set()
    assert load.done.wait(30)
    assert len(shelf.models) == 1


def test_a_load_beyond_the_limit_is_refused_in_the_end(monkeypatch):
    monkeypatch.setattr(model_loads, "_PATIENCE_SECONDS", 0.1)
    shelf = Shelf(15)
    used = Model()
    shelf.memory.take(used, 10)
    load = shelf.join("a")
    assert load.done.wait(30)
    with pytest.raises(ValueError, match="fill the memory"):
        load.answer()
    assert shelf.log == []
    assert shelf.memory.taken() == 10


def test_a_first_model_is_loaded_even_if_it_is_larger_than_the_limit():
    shelf = Shelf(5)
    load = shelf.join("a")
    shelf.end["a"].set()
    assert load.done.wait(30)
    assert isinstance(load.answer(), Model)


def test_another_visitors_load_goes_before_the_tenth_of_one():
    shelf = Shelf(1_000)
    token = ASKING.set(Client("greedy"))
    greedy = [shelf.join(f"greedy {number}") for number in range(10)]
    until(lambda: len(shelf.log) == 2)
    ASKING.set(Client("modest"))
    modest = shelf.join("modest")
    ASKING.reset(token)
    until(lambda: modest.said == "Waiting for other models to load …")
    shelf.end["modest"].set()
    shelf.end[shelf.log[0]].set()
    until(lambda: len(shelf.log) >= 3)
    assert shelf.log[2] == "modest"
    for end in shelf.end.values():
        end.set()
    assert all(load.done.wait(30) for load in greedy)


def test_too_many_loads_at_once_are_refused():
    shelf = Shelf(10_000)
    loads = [shelf.join(str(number)) for number in range(64)]
    with pytest.raises(ValueError, match="Too many models"):
        shelf.join("one more")
    for load in loads:
        shelf.end[load.key].set()
    assert all(load.done.wait(60) for load in loads)


def test_a_load_that_fails_tells_everybody_and_can_be_tried_again():
    shelf = Shelf(100)

    def fails(*_):
        raise ValueError("broken")

    load = shelf.loads.join("a", 10, lambda load: load, fails)
    assert load.done.wait(30)
    with pytest.raises(ValueError, match="broken"):
        load.answer()
    assert shelf.memory.taken() == 0
    again = shelf.join("a")
    shelf.end["a"].set()
    assert again.done.wait(30)
    again.answer()

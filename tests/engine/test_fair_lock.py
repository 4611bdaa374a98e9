"""Everybody gets a turn, in order, one at a time."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest

from gpt import generate
from gpt.engine.fair_lock import Turns


def waiting(turns: Turns, count: int) -> None:
    """Return once so many wait for their turn."""
    while len(turns._waiting) < count:
        time.sleep(0.001)


def test_turns_are_given_in_the_order_of_asking():
    turns, order = Turns(), []

    def ask(name: int) -> None:
        with turns:
            order.append(name)

    threads = [Thread(target=ask, args=[name]) for name in range(8)]
    with turns:
        for count, thread in enumerate(threads, 1):
            thread.start()
            waiting(turns, count)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_one_who_asks_again_and_again_waits_behind_the_others():
    turns, order, stop = Turns(), [], Event()

    def greedy() -> None:
        while not stop.is_set():
            with turns:
                order.append("greedy")

    thread = Thread(target=greedy)
    with turns:
        thread.start()
        waiting(turns, 1)
    for _ in range(20):
        with turns:
            order.append("modest")
    stop.set()
    thread.join()
    between = [len(run) for run in " ".join(order).split("modest")]
    assert order.count("modest") == 20
    assert max(between[1:-1]) <= len(" greedy ") * 2


def test_an_error_during_a_turn_passes_it_on():
    turns = Turns()
    with pytest.raises(RuntimeError), turns:
        raise RuntimeError
    with turns:
        assert turns._taken
    assert not turns._taken


def test_the_same_seed_gives_the_same_text_in_company(small_model):
    def text(seed: int) -> list[int]:
        return [step.token_id for step in generate(small_model, [1, 2, 3], 20, seed=seed)]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(text, [1, 2, 3, 4] * 2))
    assert together == [text(seed) for seed in [1, 2, 3, 4] * 2]

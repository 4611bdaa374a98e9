"""Fair first between addresses, then between sessions; in time, not in turns; and nobody saves up time."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.engine.fair_share import Client, FairShare


@dataclass(eq=False)
class Request:
    client: Client


def requests(*clients: Client) -> list[Request]:
    return [Request(client) for client in clients]


def served(share: FairShare, costs: dict[Client, float], seconds: float, width: int = 1) -> dict[Client, float]:
    """Machine time of clients that all wait all the time, and whose requests cost that much each."""
    had = dict.fromkeys(costs, 0.0)
    waiting = requests(*costs)
    shuffle = random.Random(3).shuffle
    while sum(had.values()) < seconds:
        shuffle(waiting)
        for request in share.order(waiting)[:width]:
            share.spent(request.client, costs[request.client])
            had[request.client] += costs[request.client]
    return had


def test_time_is_counted_not_turns():
    ann, bob = Client("ann"), Client("bob")
    had = served(FairShare(), {ann: 0.01, bob: 1.0}, 100)
    assert had[ann] == pytest.approx(had[bob], abs=1.1)


def test_addresses_are_equal_whatever_number_of_sessions_they_invent():
    flood = {Client("flood", str(number)): 0.1 for number in range(60)}
    had = served(FairShare(), flood | {Client("ann"): 0.1}, 100)
    assert had[Client("ann")] == pytest.approx(50, abs=1)


def test_sessions_of_one_address_are_equal():
    had = served(FairShare(), {Client("school", str(pupil)): 0.1 + 0.01 * pupil for pupil in range(30)}, 300)
    assert all(seconds == pytest.approx(10, abs=0.6) for seconds in had.values())


def test_calls_without_a_session_are_together_one():
    share, had = FairShare(), {"": 0.0, "page": 0.0}
    waiting = requests(*[Client("one")] * 8, Client("one", "page"))
    for _ in range(100):
        session = share.order(waiting)[0].client.session
        share.spent(Client("one", session), 0.1)
        had[session] += 0.1
    assert had["page"] == pytest.approx(had[""], abs=0.2)


def test_a_newcomer_goes_next_beside_eight_long_jobs():
    share, greedy = FairShare(), Client("greedy")
    for _ in range(100):
        share.order(requests(*[greedy] * 8))
        share.spent(greedy, 0.7)
    for newcomer in (Client("new"), Client("greedy", "new session")):
        assert share.places(requests(*[greedy] * 8, newcomer))[0].client == newcomer


def test_nobody_saves_up_time_by_staying_away():
    share, ann, bob = FairShare(), Client("ann"), Client("bob")
    share.spent(bob, 0.1)
    served(share, {ann: 0.1}, 100)
    had = served(share, {ann: 0.1, bob: 0.1}, 10)
    assert had[bob] == pytest.approx(5, abs=0.3)


def test_those_who_are_read_together_share_the_pass_too():
    share = FairShare()
    share.spent(Client("greedy"), 0.1)
    waiting = requests(*[Client("greedy")] * 8, Client("a"), Client("b", "x"), Client("b", "y"), Client("b", "y"))
    chosen = [request.client for request in share.order(waiting)[:6]]
    assert [client.address for client in chosen].count("greedy") == 2
    assert chosen[0].address != "greedy"
    assert {Client("b", "x"), Client("b", "y")} <= set(chosen)


def test_among_equals_who_asked_first_goes_first():
    waiting = requests(Client("c"), Client("a"), Client("b"))
    assert FairShare().order(waiting) == waiting
    assert FairShare().order(same := requests(*[Client("a")] * 3)) == same


def test_what_is_no_client_is_an_address_of_its_own():
    share = FairShare()
    share.spent(None, 5.0)
    assert [request.client for request in share.order(requests(None, Client("a")))] == [Client("a"), None]


@given(st.lists(st.builds(Client, st.sampled_from("abc"), st.sampled_from("xy")), max_size=9))
def test_each_that_waits_has_one_place(clients):
    waiting = requests(*clients)
    ordered = FairShare().order(waiting)
    assert len(ordered) == len(waiting)
    assert {id(request) for request in ordered} == {id(request) for request in waiting}


def test_a_million_addresses_are_not_remembered():
    share = FairShare()
    for number in range(30_000):
        share.spent(Client(str(number), str(number)), 0.1)
    assert len(share._addresses.seconds) <= 10_000
    assert len(share._sessions) <= 20_000

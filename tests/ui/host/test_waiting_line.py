"""Who may use a model now: a fair share between addresses, then between sessions; limits for each; places in line."""

from contextlib import ExitStack

import pytest

from gpt.engine.fair_share import Client
from gpt.ui.host.waiting_line import Line, PastLimit


class People:
    """Requests that have joined a line; `leave` ends one."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.stacks = {}

    def join(self, address, session="", ready=True):
        stack = ExitStack()
        ticket = stack.enter_context(self.line.joined(Client(address, session)))
        self.stacks[ticket] = stack
        if ready:
            self.line.is_ready(ticket)
        return ticket

    def leave(self, ticket):
        self.stacks.pop(ticket).close()

    def begun(self):
        return [ticket for ticket in self.stacks if ticket.begun.is_set()]


@pytest.fixture
def people():
    return People(Line(places=8))


def test_who_comes_to_a_free_line_begins_at_once(people):
    assert people.join("a").begun.is_set()


def test_a_flood_with_invented_sessions_leaves_places_for_other_addresses(people):
    for number in range(60):
        people.join("flood", f"invented{number}")
    assert len(people.begun()) == 4
    for address in ("b", "c", "d"):
        assert people.join(address).begun.is_set()


def test_a_session_has_no_more_than_four_places(people):
    people = People(Line(places=100))
    assert sum(people.join("a", "one").begun.is_set() for _ in range(8)) == 4
    assert people.join("a", "another").begun.is_set()


def test_the_next_place_goes_to_the_address_that_has_had_less_time_whoever_came_first(people):
    first = [people.join(address) for address in "abcdefgh"]
    long_waiting, newcomer = people.join("a"), people.join("z")
    people.line.spent(Client("a"), 100.0)
    people.line.spent(Client("b"), 10.0)
    assert (people.line.place(newcomer), people.line.place(long_waiting)) == (1, 2)
    people.leave(first[1])
    assert newcomer.begun.is_set()
    assert not long_waiting.begun.is_set()


def test_thirty_people_behind_one_address_take_turns_by_the_time_each_has_had(people):
    people = People(Line(places=2))
    (held,) = [people.join("class", "teacher")]
    waiting = [people.join("class", f"pupil{number}") for number in range(29)]
    for number in range(29):
        people.line.spent(Client("class", f"pupil{number}"), 29.0 - number)
    order = []
    while waiting:
        people.leave(held)
        (held,) = people.begun()
        waiting.remove(held)
        order.append(held.client.session)
    assert order == [f"pupil{number}" for number in reversed(range(29))]


def test_who_waits_for_a_model_stands_in_nobodys_way(people):
    loading = [people.join(f"a{number}", ready=False) for number in range(20)]
    assert people.join("b").begun.is_set()
    people.line.is_ready(loading[0])
    assert loading[0].begun.is_set()


def test_who_leaves_the_line_makes_room_in_it(people):
    first = [people.join(address) for address in "abcdefgh"]
    left, stays = people.join("y"), people.join("z")
    assert people.line.n_waiting == 2
    people.leave(left)
    assert people.line.place(stays) == 1
    people.leave(first[0])
    assert stays.begun.is_set()
    assert people.line.n_waiting == 0


def test_a_visitor_past_their_own_limit_gets_one_sentence_and_others_do_not():
    people = People(Line())
    for _ in range(16):
        people.join("a", "one")
    with pytest.raises(PastLimit, match="16 requests of yours are under way"):
        people.join("a", "one")
    people.join("a", "another")
    for number in range(111):
        people.join("a", f"s{number}")
    with pytest.raises(PastLimit, match="128 requests from your address"):
        people.join("a", "yet another")
    assert people.join("b").begun.is_set()


def test_time_is_shared_by_all_who_are_at_work(people):
    one, two = people.join("a"), people.join("b")
    people.line.spent(one.client, 4.0)  # beside another: 2 seconds of the machine
    people.leave(two)
    people.line.spent(two.client, 3.0)  # alone
    for address in "cdefghi":
        people.join(address)
    waiting = [people.join("b"), people.join("a")]
    assert sorted(waiting, key=people.line.place) == [waiting[1], waiting[0]]

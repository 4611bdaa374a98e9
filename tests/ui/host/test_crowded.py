"""A server on which the places are taken: who waits is told so and can stop, everything else is answered."""

import json
import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import active_count
from time import monotonic, sleep

import pytest

from gpt.engine.fair_share import Client
from gpt.library import Library
from gpt.ui.host import mailboxes, server
from gpt.ui.host.housekeeping import Housekeeping
from gpt.ui.host.server_counts import Counts
from gpt.ui.host.waiting_line import Line
from tests.in_process import serving

_SECONDS = 60


class Asking:
    """One who asks a server, from an address of their own."""

    def __init__(self, address, client="10.0.0.1"):
        self.address, self.client = address, client

    def post(self, path, body):
        headers = {"content-type": "application/json", "x-forwarded-for": self.client}
        asked = urllib.request.Request(f"{self.address}/gradio_api/{path}", json.dumps(body).encode(), headers)
        return json.loads(urllib.request.urlopen(asked, timeout=_SECONDS).read())

    def call(self, name, **values):
        """The id of an event that was begun."""
        return self.post(f"call/v2/{name}", values)["event_id"]

    def messages(self, name, event):
        """What is told of an event as it comes: the kind of each message, and its data."""
        path = f"{self.address}/gradio_api/call/v2/{name}/{event}"
        with urllib.request.urlopen(path, timeout=_SECONDS) as stream:
            told = (line.decode().partition(": ")[2].strip() for line in stream if line.strip())
            for kind, data in zip(told, told, strict=False):
                if kind != "heartbeat":  # of a slow machine: nothing new for a quarter of a minute
                    yield kind, data

    def answer(self, name, **values):
        *_, (kind, data) = self.messages(name, self.call(name, **values))
        return kind, json.loads(data)

    def join(self, fn_index, session, data):
        self.post("queue/join", {"fn_index": fn_index, "session_hash": session, "data": data})

    def page_messages(self, session):
        """What a page is told, as it comes."""
        path = f"{self.address}/gradio_api/queue/data?session_hash={session}"
        with urllib.request.urlopen(path, timeout=_SECONDS) as stream:
            for line in stream:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])


def until(ready):
    limit = monotonic() + _SECONDS
    while not ready():
        assert monotonic() < limit
        sleep(0.02)


def event_of(page, elem_id):
    """The index of what a click on a button starts, and the values of its inputs as the page has them."""
    (button,) = [block._id for block in page.blocks.values() if block.elem_id == elem_id]
    event = next(event for event in page.fns.values() if (button, "click") in event.targets and event.fn)
    return event._id, [getattr(block, "value", None) for block in event.inputs]


@pytest.fixture
def line(monkeypatch):
    line = Line(places=1)
    monkeypatch.setattr(server, "Line", lambda: line)
    return line


@pytest.fixture
def served(line, uneven_library):  # noqa: ARG001 - the server has that line
    with serving("--trust-proxy", library=uneven_library) as served:
        yield served


@pytest.fixture
def held(line, served):  # noqa: ARG001 - taken while the server runs
    """The only place of the line, taken until `close`."""
    with ExitStack() as stack:
        line.is_ready(stack.enter_context(line.joined(Client("somebody"))))
        yield stack


def test_waiting_calls_hold_no_thread_and_nothing_else_waits_for_them(served, line, held):
    asking = Asking(served.address)
    assert asking.answer("models")[0] == "complete"
    n_threads = active_count()
    waiting = [asking.call("generate", prompt="Hello", max_new_tokens=3) for _ in range(15)]
    waiting += [Asking(served.address, f"10.0.0.{i}").call("next_token", prompt="Hello") for i in range(2, 60)]
    until(lambda: line.n_waiting == len(waiting))
    assert active_count() < n_threads + len(waiting) / 3  # those that looked for the model are idle by now
    assert asking.answer("models")[0] == "complete"
    assert asking.answer("calculate", emb_dim=768, n_layers=12, n_heads=12)[0] == "complete"
    assert urllib.request.urlopen(served.address, timeout=_SECONDS).status == 200
    held.close()
    until(lambda: line.n_waiting == 0)
    *_, (kind, data) = asking.messages("generate", waiting[0])
    assert (kind, json.loads(data)[0]["finish_reason"]) == ("complete", "length")


def test_a_server_that_nobody_asks_leaves_the_processor_alone(served, monkeypatch):
    looks, queue = [], type(served.page._queue)
    length = queue.__len__
    monkeypatch.setattr(queue, "__len__", lambda found: looks.append(found) or length(found))
    sleep(1)
    assert 0 < len(looks) < 200


def test_no_model_is_loaded_for_a_prompt_that_none_could_continue(served, monkeypatch):
    def load(*_):
        raise AssertionError("a model was asked for")

    monkeypatch.setattr(Library, "loading", load)
    kind, refused = Asking(served.address).answer("generate", prompt="", model="gpt2-124M-untrained#7")
    assert (kind, refused["error"][:20]) == ("error", "The prompt is empty:")


def test_a_visitor_past_their_own_limit_gets_one_sentence(served, line, held):  # noqa: ARG001 - it is taken
    asking = Asking(served.address)
    for _ in range(16):
        asking.call("generate", prompt="Hello", max_new_tokens=3)
    until(lambda: line.n_waiting == 16)
    kind, refused = asking.answer("generate", prompt="Hello", max_new_tokens=3)
    assert (kind, refused["error"]) == ("error", "16 requests of yours are under way: wait for one to be answered.")


@pytest.mark.parametrize("ending", ["its turn comes", "Stop"])
def test_a_page_shows_its_place_in_line_until(ending, served, line, held):
    asking = Asking(served.address)
    asking.call("next_token", prompt="Hello")
    until(lambda: line.n_waiting == 1)
    asking.join(*event_of(served.page, "generate")[:1], "ann", event_of(served.page, "generate")[1])
    said = ""
    for message in asking.page_messages("ann"):
        said += json.dumps(message)
        if "Your place in line: 2." in said:
            if ending == "Stop":
                asking.join(event_of(served.page, "stop")[0], "ann", [])
            else:
                held.close()
    assert ("Stopped before the first token." in said) == (ending == "Stop")
    assert ("length reached" in said) == (ending != "Stop")


def test_a_result_that_nobody_reads_ends_its_run_and_is_dropped(served, line, monkeypatch):
    monkeypatch.setattr(mailboxes, "_UNREAD_SECONDS", 0.5)
    asking = Asking(served.address)
    event = asking.call("generate", prompt="Hello", max_new_tokens=1_000)
    until(lambda: event not in served.page._queue.event_ids_to_events)
    until(lambda: event not in served.page._queue.pending_messages_per_session)
    until(lambda: not line._begun)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        list(asking.messages("generate", event))
    until(lambda: event not in served.gradio_app.state_holder)


def test_a_newcomer_is_answered_beside_eight_long_jobs_of_another_client(uneven_library):
    with serving("--trust-proxy", library=uneven_library) as served, ThreadPoolExecutor(8) as pool:
        flood, newcomer = Asking(served.address), Asking(served.address, "10.0.0.2")
        events = [flood.call("generate", prompt="a" + " a" * 60, max_new_tokens=100, seed=i) for i in range(8)]
        jobs = [pool.submit(lambda event=event: list(flood.messages("generate", event))) for event in events]
        kind, answer = newcomer.answer("generate", prompt="Hello", max_new_tokens=3)
        assert (kind, len(answer[0]["token_ids"])) == ("complete", 3)
        assert not any(job.done() for job in jobs)
        assert all(len(job.result()) == 102 for job in jobs)


def test_what_a_text_sends_grows_with_its_length_and_no_faster(served):
    asking = Asking(served.address)
    sent = {}
    for n in (300, 1_000):
        event = asking.call("generate", prompt="Hello", max_new_tokens=n)
        sent[n] = sum(len(kind) + len(data) for kind, data in asking.messages("generate", event))
    assert sent[300] < 400_000
    assert sent[1_000] < 4 * sent[300]


def test_a_page_is_sent_a_text_once_and_not_with_every_token(served):
    asking, sent = Asking(served.address), {}
    fn_index, values = event_of(served.page, "generate")
    for n in (100, 400):
        values[2] = n
        asking.join(fn_index, f"reader{n}", values)
        sent[n] = sum(len(json.dumps(message)) for message in asking.page_messages(f"reader{n}"))
    assert sent[400] < 6 * sent[100]


def test_a_request_that_takes_too_long_ends_with_what_it_has_and_says_so(uneven_library):
    with serving("--max-seconds", "0.05", library=uneven_library) as served:
        asking = Asking(served.address)
        _, (answer,) = asking.answer("generate", prompt="Hello", max_new_tokens=1_000)
        assert answer["finish_reason"] == "seconds"
        assert 1 <= len(answer["token_ids"]) < 1_000
        fn_index, values = event_of(served.page, "generate")
        asking.join(fn_index, "ann", [*values[:2], 500, *values[3:]])
        assert "This server gives one request 0.05 seconds: this time is over." in json.dumps(
            list(asking.page_messages("ann"))
        )


def test_more_tokens_than_the_host_allows_are_refused_with_the_limit(uneven_library):
    with serving("--max-tokens", "20", library=uneven_library) as served:
        _, refused = Asking(served.address).answer("generate", prompt="Hello", max_new_tokens=21)
        assert refused["error"] == "The length is 21: choose at most 20 new tokens."


def test_calls_and_visitors_leave_little_behind(served, monkeypatch):
    monkeypatch.setattr(mailboxes, "_UNREAD_SECONDS", 0.5)
    sessions, queue = served.gradio_app.state_holder, served.page._queue
    asking = Asking(served.address)
    for _ in range(5):
        assert asking.answer("calculate", emb_dim=768, n_layers=12, n_heads=12)[0] == "complete"
    until(lambda: not queue.pending_messages_per_session and not queue.pending_event_ids_session)
    until(lambda: not sessions.session_data)
    assert not served.gradio_app.iterators
    assert not queue.event_ids_to_events


def test_who_comes_back_after_the_session_ended_is_told_and_can_run_again(uneven_library):
    with serving("--session-minutes", "0.005", library=uneven_library) as served:
        asking, sessions = Asking(served.address), served.gradio_app.state_holder
        fn_index, values = event_of(served.page, "generate")
        with urllib.request.urlopen(f"{served.address}/gradio_api/heartbeat/ann", timeout=_SECONDS) as page:
            page.read(1)
            asking.join(fn_index, "ann", values)
            assert "You were away" not in json.dumps(list(asking.page_messages("ann")))
            until(lambda: "ann" not in sessions)
            asking.join(fn_index, "ann", values)
            said = json.dumps(list(asking.page_messages("ann")))
    assert "You were away for long" in said
    assert "length reached" in said


def test_the_log_of_a_host_says_how_it_is(served, held, line):  # noqa: ARG001 - it is taken
    asking = Asking(served.address)
    for _ in range(17):
        asking.call("generate", prompt="Hello")
    until(lambda: line.n_waiting == 16)
    counts = Counts(refused=1)
    keeping = Housekeeping(served.page, served.gradio_app.state_holder, line, counts, True)
    assert re.fullmatch(r"0 visitors, 16 waiting, [\d,]+ MB of memory, 1 refused, 0 unread", keeping.line_of_log())

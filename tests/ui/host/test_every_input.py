"""Whatever is sent to whatever event: a result, or one sentence; never null, a traceback or an unexplained 500."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio.block_function import BlockFunction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpt.ui.host.open_routes import OPEN
from tests.in_process import Served, serving

_SECONDS = 60
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 3, 10**9, 2**63, 2**64, 10**30, -(2**70), 1.5, 1e308, 5e-324, 0.0, -0.5]),
    st.sampled_from([float("nan"), float("inf"), "", "0", "#5", "#١٢", "yes", "norm1", "storyteller", "gpt2-124M#3"]),
    st.sampled_from(
        ["a" * 5_000, "/" + "a" * 5_000, "../../etc/passwd", "/etc", "/etc/passwd", "C:\\x", "\x00", "😀" * 9]
    ),
    st.sampled_from(
        ["gpt2-124M:int4", "storyteller:int8#9", "a\ud800", "<img src=x onerror=alert(1)>", "file:///etc/x"]
    ),
    st.text(max_size=20),
    st.sampled_from([[], {}, [1], ["a"], {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, {"a": [1]}]),
)


@pytest.fixture(scope="module")
def served(small_folder) -> Iterator[Served]:
    with serving("--model", str(small_folder), "--max-tokens", "20") as served:
        yield served


@pytest.fixture(scope="module")
def http(served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.address, timeout=_SECONDS) as http:
        yield http


def is_a_sentence(said: Any) -> bool:
    return isinstance(said, str) and said.endswith(".") and said.count("\n") == 0 and 10 < len(said) < 700


def answer_by_name(http: httpx.Client, path: str, body: Any) -> tuple[str, Any]:
    """How a call ended: "complete" or "error" with what came last, or "refused" with the sentence."""
    asked = http.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    if asked.status_code != 200:
        assert 400 <= asked.status_code < 500
        return "refused", asked.json()["detail"]
    name = "/".join(path.split("/")[:4]) if "/v2/" not in path else "/".join(path.split("/")[:5])
    with http.stream("GET", f"{name}/{asked.json()['event_id']}") as stream:
        events = "".join(stream.iter_text()).strip().split("\n\n")
    kind, data = events[-1].split("\n", 1)
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def answer_as_a_page(http: httpx.Client, body: dict[str, Any]) -> tuple[str, Any]:
    """The same for an event of the page."""
    asked = http.post("/gradio_api/queue/join", content=json.dumps(body), headers={"content-type": "application/json"})
    if asked.status_code != 200:
        assert 400 <= asked.status_code < 500, asked.text
        return "refused", asked.json()["detail"]
    with http.stream("GET", f"/gradio_api/queue/data?session_hash={body['session_hash']}") as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data: ")) if line else {}
            if message.get("msg") == "process_completed":
                output = message["output"]
                return ("complete", output["data"]) if message["success"] else ("error", output)
            assert message.get("msg") != "unexpected_error", message
    raise AssertionError("the stream ended without an answer")


def assert_answered(outcome: tuple[str, Any], sent: Any) -> None:
    kind, said = outcome
    if kind == "complete":
        assert said is not None, sent
    else:
        sentence = said["error"] if isinstance(said, dict) else said
        assert is_a_sentence(sentence), (sent, said)


def usual(block: Any) -> st.SearchStrategy[Any]:
    """Values that the page itself could send."""
    if isinstance(block, gr.Checkbox):
        return st.booleans()
    if isinstance(block, gr.Slider):
        return st.sampled_from([block.minimum, block.maximum, block.value])
    if isinstance(block, gr.CheckboxGroup):
        return st.lists(st.sampled_from([choice for _, choice in block.choices] or [None]), max_size=3, unique=True)
    if isinstance(block, gr.Radio | gr.Dropdown):
        # A list that is filled later has none yet.
        return st.sampled_from([choice for _, choice in block.choices if "124M" not in str(choice)] or [None])
    return st.text(max_size=30) if isinstance(block, gr.Textbox) else st.sampled_from([None, 3])


def chosen(event: BlockFunction) -> st.SearchStrategy[Any]:
    """What comes with a click."""
    place = st.integers(0, 60)
    named = st.fixed_dictionaries({"index": place | st.tuples(place, place).map(list), "value": JUNK})
    return st.one_of(named, named, JUNK) if event.collects_event_data else st.none() | JUNK


@pytest.fixture(autouse=True)
def nothing_in_the_log(capfd, caplog) -> Iterator[None]:
    yield
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]


ENDPOINTS = ["generate", "next_token", "layernorm", "calculate", "models"]
QUIET = {"suppress_health_check": list(HealthCheck), "deadline": None}


def endpoint(served: Served, name: str) -> BlockFunction:
    return next(event for event in served.page.fns.values() if event.api_name == name)


@pytest.mark.parametrize("name", ENDPOINTS)
@settings(max_examples=60, **QUIET)
@given(data=st.data())
def test_endpoints_by_position(served, http, name, data):
    parameters = list(inspect.signature(endpoint(served, name).fn).parameters.values())
    usual = ["Hello" if each.default is each.empty and each.name == "prompt" else each.default for each in parameters]
    usual = [48 if each is inspect.Parameter.empty else each for each in usual]
    values = [data.draw(st.just(each) | JUNK) if data.draw(st.booleans()) else each for each in usual]
    if data.draw(st.integers(0, 9)) == 0:
        values = data.draw(st.lists(JUNK, max_size=8))
    assert_answered(answer_by_name(http, f"/gradio_api/call/{name}", {"data": values}), values)


@pytest.mark.parametrize("name", ENDPOINTS)
@settings(max_examples=30, **QUIET)
@given(data=st.data())
def test_endpoints_by_name(served, http, name, data):
    parameters = list(inspect.signature(endpoint(served, name).fn).parameters)
    names = st.sampled_from([*parameters, "prompt"]) | st.text(max_size=5)
    body = data.draw(st.dictionaries(names, JUNK, max_size=4))
    assert_answered(answer_by_name(http, f"/gradio_api/call/v2/{name}", body), body)


@settings(max_examples=400, **QUIET)
@given(data=st.data())
def test_private_events(served, http, data):
    events = {index: event for index, event in served.page.fns.items() if event.fn and event.api_visibility != "public"}
    index = data.draw(st.sampled_from(sorted(events)))
    values = [data.draw(usual(block) if data.draw(st.integers(0, 4)) else JUNK) for block in events[index].inputs]
    session = data.draw(st.sampled_from(["ann", "bob"]) | st.uuids().map(str))
    body = {"fn_index": index, "data": values, "session_hash": session, "event_data": data.draw(chosen(events[index]))}
    assert_answered(answer_as_a_page(http, body), (events[index].api_name, body))


@settings(max_examples=150, **QUIET)
@given(
    body=st.dictionaries(
        st.sampled_from(
            [
                "data",
                "fn_index",
                "session_hash",
                "event_data",
                "trigger_id",
                "event_id",
                "batched",
                "simple_format",
                "oauth_token",
                "request",
            ]
        ),
        JUNK,
        max_size=8,
    ),
    path=st.sampled_from(["queue/join", "cancel", "call/generate", "call/v2/generate", "call/none"]),
)
def test_bodies(http, path, body):
    asked = http.post(f"/gradio_api/{path}", content=json.dumps(body), headers={"content-type": "application/json"})
    assert asked.status_code < 500
    if asked.status_code != 200:
        assert is_a_sentence(asked.json()["detail"])


@settings(max_examples=100, **QUIET)
@given(
    query=st.dictionaries(
        st.sampled_from(["session_hash", "page", "deep_link", "all_endpoints", "x"]), st.text(max_size=20), max_size=3
    ),
    path=st.sampled_from([route.pattern for route in OPEN if "(" not in route.pattern]),
)
def test_queries(http, path, query):
    if "heartbeat" not in path:
        assert http.get(path, params=query).status_code in {200, 400, 404}

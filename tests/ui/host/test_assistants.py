"""Assistants, without the package that speaks their protocol: what is open to them, and on whose behalf a call runs."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState
from gradio.utils import get_function_description
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from gpt.engine.fair_share import ASKING
from gpt.runs import MOST_CHARACTERS, MOST_TOKENS
from gpt.ui.endpoints import build
from gpt.ui.host.assistants import AssistantSessions, answer_of
from gpt.ui.host.called_events import Calls
from gpt.ui.host.event_answers import answer_every_event
from gpt.ui.host.guard import Guard
from gpt.ui.host.host_names import Names
from gpt.ui.host.host_options import LAPTOP
from gpt.ui.host.incoming_requests import IncomingRequests
from gpt.ui.host.open_routes import OPEN, OPEN_TO_ASSISTANTS
from gpt.ui.host.refusal import Refused
from gpt.ui.host.server_counts import Counts
from gpt.ui.host.sessions import Sessions
from tests.own_loop import in_own_loop

ADDRESS = "/gradio_api/mcp"
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize"}
CALL = HELLO | {"method": "tools/call"}
SESSION = "mcp-session-id"


def asker(prompt: str, n: int = 2) -> Iterator[dict[str, Any]]:
    """Streams who asks."""
    if not prompt:
        raise ValueError("The prompt is empty.")
    for i in range(n):
        yield {"asking": list(ASKING.get()), "i": i}


@pytest.fixture
def page():
    with gr.Blocks() as blocks:
        gr.api(asker, api_name="asker")
        blocks.load(lambda: None, None, None, api_visibility="private", api_name="secret")
    answer_every_event(blocks, Sessions(3_600), Counts())
    return blocks


def asking(page, root_path="", routes=(*OPEN, *OPEN_TO_ASSISTANTS)) -> TestClient:
    async def path(request: Request) -> JSONResponse:
        return JSONResponse({"path": request.scope["path"]})

    methods = ["GET", "POST", "DELETE"]
    app = AssistantSessions(Starlette(routes=[Route("/{rest:path}", path, methods=methods)]), root_path)
    names, requests = Names(frozenset({"ours.example"})), IncomingRequests(root_path)
    guard = Guard(app, names, requests, Calls(page), Sessions(3_600), Counts(), routes=routes)
    return TestClient(guard, base_url="http://ours.example")


def asked(page, arguments, session="", address="192.0.2.7"):
    headers = [(SESSION.encode(), session.encode())] if session else []
    request = Request({"type": "http", "client": (address, 1), "headers": headers})
    return in_own_loop(answer_of(page, Calls(page), "asker", arguments, request, SessionState(page)))


@pytest.mark.parametrize("prefix", ["", "/gpt"])
def test_messages_of_assistants_get_through_where_they_are_served(page, prefix):
    client = asking(page, prefix)
    for slash in ("", "/"):
        answer = client.post(f"{prefix}{ADDRESS}{slash}", json=CALL)
        assert answer.json() == {"path": f"{prefix}{ADDRESS}/"}
    assert client.get(f"{prefix}{ADDRESS}/schema").json() == {"path": f"{prefix}{ADDRESS}/schema"}
    for rest in ("/sse", "/messages/", "/http"):
        assert client.post(f"{prefix}{ADDRESS}{rest}", json=CALL).status_code == 404


def test_elsewhere_they_find_nothing(page):
    client = asking(page, routes=OPEN)
    assert client.post(ADDRESS, json=HELLO).status_code == 404
    for path in (ADDRESS, f"{ADDRESS}/", f"{ADDRESS}/schema", f"{ADDRESS}/sse"):
        assert client.get(path).status_code == 404


def test_the_guard_stands_before_them_too(page):
    client = asking(page)
    assert client.post(ADDRESS, json=CALL, headers={"host": "evil.example"}).status_code == 403
    assert client.post(ADDRESS, json=CALL, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post(ADDRESS, json=CALL | {"params": "a" * 2**20}).status_code == 413
    assert client.post(ADDRESS, json={"id": 1}).status_code == 400
    assert client.get(ADDRESS).status_code == client.delete(ADDRESS).status_code == 405


def test_each_assistant_gets_a_session_of_its_own(page):
    client = asking(page)
    sessions = [client.post(ADDRESS, json=HELLO).headers[SESSION] for _ in range(2)]
    assert len(set(sessions)) == 2
    answer = client.post(ADDRESS, json=CALL, headers={SESSION: sessions[0]})
    assert answer.status_code == 200
    assert SESSION not in answer.headers
    assert client.post(ADDRESS, json=CALL, headers={SESSION: "a b"}).status_code == 404


def test_a_call_runs_for_its_assistant_and_answers_with_the_last_message(page):
    assert asked(page, {"prompt": "a"}, "one") == {"asking": ["192.0.2.7", "one"], "i": 1}
    assert asked(page, {"prompt": "a", "n": 5}, "two", "192.0.2.8") == {"asking": ["192.0.2.8", "two"], "i": 4}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"prompt": ""}, "The prompt is empty."),
        ({"prompt": "a", "n": "x"}, 'n is "x": give a whole number.'),
        ({}, "/asker needs the parameter prompt: send it in the JSON object."),
        ({"prompt": "a", "m": 1}, '/asker has no parameter called "m": its parameters are prompt, n.'),
    ],
)
def test_a_wrong_call_gets_the_sentence_of_the_endpoint(page, arguments, sentence):
    with pytest.raises((ValueError, Refused)) as refused:
        asked(page, arguments)
    assert str(refused.value) == sentence


def test_every_endpoint_and_parameter_is_described():
    with gr.Blocks() as blocks:
        build(None, LAPTOP)
    for event in blocks.fns.values():
        description, parameters, _ = get_function_description(event.fn)
        assert len(description) > 100, event.api_name
        assert all(parameters.values()), (event.api_name, parameters)
        if "prompt" in parameters:
            assert f"{MOST_CHARACTERS:,} characters and {MOST_TOKENS:,} tokens" in parameters["prompt"]

"""Requests that name no event, no session, or lack a field: 400 or 404 with one sentence."""

import gradio as gr
import pytest

from gpt.ui.host.called_events import Calls
from gpt.ui.host.refusal import Refused

JOIN, CANCEL = "/gradio_api/queue/join", "/gradio_api/cancel"


def repeat(prompt: str, n: int = 3) -> str:
    return prompt * n


with gr.Blocks() as page:
    gr.api(repeat, api_name="repeat")
    page.load(lambda: None, None, None, api_visibility="private", api_name="secret")
CALLS = Calls(page)
JOINING = {"data": [], "fn_index": 0, "session_hash": "abc"}


def refused(path: str, body: dict | None = None, query: bytes = b"", **groups: str) -> tuple[int, str]:
    with pytest.raises(Refused) as found:
        CALLS.check(path, groups, query, body)
    assert found.value.sentence.endswith(".")
    assert len(found.value.sentence) < 300
    return found.value.status, found.value.sentence


def test_what_pages_and_programs_send_passes():
    CALLS.check(JOIN, {}, b"", JOINING | {"event_data": None, "trigger_id": 7})
    CALLS.check(CANCEL, {}, b"", {"fn_index": 0, "session_hash": "abc", "event_id": "def"})
    CALLS.check("/gradio_api/call/repeat", {"name": "repeat"}, b"", {"data": ["a"]})
    CALLS.check("/gradio_api/call/v2/repeat", {"name": "repeat"}, b"", {"prompt": "a"})
    CALLS.check("/config", {}, b"__theme=dark&prompt=%C3%A9", None)


@pytest.mark.parametrize("name", ["nothing", "secret", "Repeat", "lambda"])
@pytest.mark.parametrize("path", ["/gradio_api/call/", "/gradio_api/call/v2/"])
def test_an_endpoint_that_is_not_public_is_not_found_by_its_name(path, name):
    status, sentence = refused(path + name, {"data": []}, name=name)
    assert status == 404
    assert sentence == f"There is no endpoint called /{name}: choose one of /repeat."


@pytest.mark.parametrize(
    ("change", "status", "part"),
    [
        ({"fn_index": 99}, 404, "no event 99"),
        ({"fn_index": -1}, 404, "no event -1"),
        ({"fn_index": "0"}, 400, 'fn_index is "0"'),
        ({"fn_index": True}, 400, "fn_index is true"),
        ({"fn_index": None}, 400, "fn_index is null"),
        ({"data": None}, 400, "data is null"),
        ({"data": {"a": 1}}, 400, "it has to be a list"),
        ({"data": "x" * 10_000}, 400, "x…"),
        ({"trigger_id": "a"}, 400, "trigger_id"),
        ({"trigger_id": 1.5}, 400, "trigger_id"),
        ({"event_id": 5}, 400, "event_id"),
        ({"session_hash": None}, 400, "session_hash"),
        ({"session_hash": "a" * 65}, 400, "session_hash"),
        ({"session_hash": 3}, 400, "session_hash"),
    ],
)
def test_fields_of_another_kind(change, status, part):
    found, sentence = refused(JOIN, JOINING | change)
    assert found == status
    assert part in sentence


@pytest.mark.parametrize("missing", ["data", "fn_index", "session_hash"])
def test_a_field_that_is_missing(missing):
    body = {name: value for name, value in JOINING.items() if name != missing}
    assert refused(JOIN, body)[0] == 400


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "/repeat needs the parameter prompt: send it in the JSON object."),
        ({"n": 3}, "/repeat needs the parameter prompt: send it in the JSON object."),
        ({"prompt": "a", "m": 3}, '/repeat has no parameter called "m": its parameters are prompt, n.'),
    ],
)
def test_parameters_by_name(body, sentence):
    assert refused("/gradio_api/call/v2/repeat", body, name="repeat") == (400, sentence)


def test_answers_that_nobody_waits_for():
    assert refused("/gradio_api/queue/data", None, b"session_hash=abc")[0] == 404
    assert refused("/gradio_api/queue/data", None)[0] == 400
    assert refused("/gradio_api/queue/data", None, b"session_hash=a&session_hash=b")[0] == 400
    assert refused("/gradio_api/call/repeat/abc", None, name="repeat", event="abc")[0] == 404


def test_a_query_that_is_no_text():
    assert refused("/config", None, b"x=\xff")[0] == 400

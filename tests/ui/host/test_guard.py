"""What gets through the guard, and what gets a sentence instead."""

import json

import gradio as gr
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from gpt.ui.host.called_events import Calls
from gpt.ui.host.guard import Guard
from gpt.ui.host.host_names import Names
from gpt.ui.host.incoming_requests import IncomingRequests
from gpt.ui.host.request_bodies import MOST_BYTES
from gpt.ui.host.server_counts import Counts
from gpt.ui.host.sessions import Sessions
from tests.ui.host.asking import status_of

OURS = Names(frozenset({"localhost", "ours.example", "allowed.example"}), frozenset({"allowed.example"}))
DIRECT = IncomingRequests()
JOIN, CALL = "/gradio_api/queue/join", "/gradio_api/call/generate"


def generate(prompt: str, n: int = 3) -> str:
    return prompt * n


with gr.Blocks() as blocks:
    gr.api(generate, api_name="generate")
    blocks.load(lambda: None, None, None, api_visibility="private", api_name="secret")
PAGE = Calls(blocks)


async def everything(request: Request) -> JSONResponse:
    """Answers each request with what reached it."""
    return JSONResponse(
        {
            "path": request.url.path,
            "url": str(request.url),
            "client": request.client.host,
            "query": request.url.query,
            "body": (await request.body()).decode(),
            "forwarded": [name for name in request.headers if name.startswith(("x-forwarded", "x-gradio"))],
        }
    )


def guard(requests: IncomingRequests = DIRECT, **others) -> Guard:
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
    app = Starlette(routes=[Route("/{rest:path}", everything, methods=methods)])
    return Guard(app, OURS, requests, PAGE, Sessions(3_600), Counts(), **others)


def asking(requests: IncomingRequests = DIRECT, **others) -> TestClient:
    return TestClient(guard(requests, **others), base_url="http://ours.example", follow_redirects=False)


@pytest.fixture
def client() -> TestClient:
    return asking()


CLOSED = [
    "/gradio_api/upload",
    "/gradio_api/process_recording",
    "/gradio_api/component_server",
    "/gradio_api/dev/reload",
    "/gradio_api/file=/etc/hostname",
    "/gradio_api/file=https://example.org/x",
    "/gradio_api/proxy=https://example.org",
    "/gradio_api/deep_link",
    "/gradio_api/openapi.json",
    "/gradio_api/run/generate",
    "/gradio_api/api/generate",
    "/openapi.json",
    "/docs",
    "/login",
    "/monitoring",
    "/assets/../../requirements.txt",
    "/assets/..",
    "/assets/.hidden",
    "/assets/",
    "/assets/a\\..\\b",
    "/static//etc/hostname",
    "/static/\x00",
]


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_closed_paths_are_not_found_by_any_method(path, method):
    assert status_of(guard(), method, path) == 404


@pytest.mark.parametrize(
    "spelling",
    [
        "//gradio_api/info",
        "/gradio_api//info",
        "/GRADIO_API/info",
        "/gradio_api/info/",
        "/gradio_api/./info",
        "/x/../gradio_api/info",
        "/gpt/gradio_api/info",
        "/gradio_api/info\n",
        "/gradio_api/info\x00",
        "/gradio_api;/info",
        "\\gradio_api\\info",
    ],
)
def test_an_open_path_is_open_in_one_spelling_only(spelling):
    assert status_of(guard(), "GET", "/gradio_api/info") == 200
    assert status_of(guard(), "GET", spelling) == 404


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/queue/join", "/assets/index-1.js"])
def test_an_open_path_is_open_by_its_own_methods_only(client, path):
    own = "POST" if path.endswith("join") else "GET"
    for method in {"GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"} - {own}:
        assert client.request(method, path).status_code == 404


@pytest.mark.parametrize("prefix", ["", "/gpt"])
def test_what_is_closed_is_closed_under_the_prefix_too(prefix):
    prefixed = guard(IncomingRequests("/gpt"))
    assert status_of(prefixed, "GET", f"{prefix}/config") == 200
    for path in CLOSED:
        assert status_of(prefixed, "POST", prefix + path) == 404
    assert status_of(prefixed, "GET", "/gpt/gpt/config") == 404


def test_the_prefix_without_its_slash_leads_to_the_page():
    answer = asking(IncomingRequests("/gpt")).get("/gpt")
    assert (answer.status_code, answer.headers["location"]) == (307, "/gpt/")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example"},
        {"host": "ours.example.evil.example"},
        {"host": "ours.example@evil.example"},
        {"host": ""},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://ours.example:3000"},
        {"origin": "http://localhost"},
        {"host": "rebound.example", "origin": "http://rebound.example"},
        {"x-forwarded-host": "ours.example", "host": "rebound.example"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/nothing"])
def test_foreign_names_and_pages_are_forbidden(client, headers, path):
    answer = client.get(path, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://ours.example"},
        {"origin": "https://OURS.example"},
        {"host": "localhost:7860", "origin": "http://localhost:7860"},
        {"origin": "https://allowed.example:8443"},
        {"host": "ours.example:443"},
    ],
)
def test_the_pages_own_names_and_allowed_ones_may_ask(client, headers):
    assert client.get("/config", headers=headers).status_code == 200


def test_a_form_on_a_foreign_page_reaches_nothing(client):
    """A text/plain or multipart POST needs no permission of the browser, and 127.0.0.1 is no foreign Host."""
    body = '{"data": [], "fn_index": 0, "session_hash": "abc"}'
    foreign = {"host": "localhost:7860", "origin": "https://evil.example", "content-type": "text/plain"}
    assert client.post(JOIN, content=body, headers=foreign).status_code == 403
    assert client.post(JOIN, content=body, headers={"content-type": "text/plain"}).status_code == 415
    assert client.post(JOIN, files={"data": b"x"}).status_code == 415


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("length_is_said", [True, False])
def test_more_than_the_page_needs_is_too_large_on_every_route(client, method, length_is_said):
    paths = {
        "GET": ["/", "/config", "/gradio_api/info"],
        "POST": ["/gradio_api/queue/join", "/gradio_api/call/generate"],
    }
    large = b"[" * (MOST_BYTES + 1)
    content = large if length_is_said else (large[start : start + 2**16] for start in range(0, len(large), 2**16))
    for path in paths[method][:1] if not length_is_said else paths[method]:
        answer = client.request(method, path, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert "1,048,576 bytes" in answer.json()["detail"]


def test_the_most_that_is_taken_arrives_whole(client):
    body = json.dumps({"data": ["a" * (MOST_BYTES - 100)]})
    answer = client.post("/gradio_api/call/generate", content=body, headers={"content-type": "application/json"})
    assert answer.json()["body"] == body


@pytest.mark.parametrize("session", ["a" * 65, "", "a b", "../x", "a\nb", "é", 5, ["a"], {"a": 1}, True])
def test_a_session_that_no_page_would_have_is_refused(client, session):
    joined = client.post("/gradio_api/queue/join", json={"data": [], "fn_index": 0, "session_hash": session})
    assert joined.status_code == 400
    assert "session_hash" in joined.json()["detail"]
    if isinstance(session, str):
        assert client.get("/gradio_api/queue/data", params={"session_hash": session}).status_code == 400
        assert status_of(guard(), "GET", f"/gradio_api/heartbeat/{session}") == 404


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"5", b"null", b"\xff\xfe{}", b"[" * 100_000, b'{"a": 1' + b"0" * 9_999]
)
def test_what_is_no_json_object_is_refused(client, body):
    answer = client.post("/gradio_api/queue/join", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "JSON" in answer.json()["detail"]


def test_a_query_is_text():
    assert status_of(guard(), "GET", "/config", b"x=%ff&y=%") == 200
    assert status_of(guard(), "GET", "/config", b"x=\xff") == 400


def test_saved_views_and_pages_of_gradio_are_not_asked_for(client):
    assert client.get("/?page=none&prompt=a&deep_link=x").json()["query"] == "prompt=a"


def test_every_answer_says_what_the_page_may_do(client):
    for path in ("/", "/gradio_api/upload", "/config"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        for part in ("default-src 'self'", "base-uri 'self'", "form-action 'self'", "frame-ancestors 'self'"):
            assert part in policy
        assert "http:" not in policy
        assert "https:" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    framed = asking(frame_ancestors="https://huggingface.co").get("/").headers["content-security-policy"]
    assert framed.endswith("frame-ancestors https://huggingface.co")


PROXY = {"x-forwarded-for": "1.2.3.4, 5.6.7.8", "x-forwarded-proto": "https", "x-forwarded-host": "allowed.example"}


def test_what_a_proxy_says_is_believed_only_when_the_host_says_so(client):
    told = PROXY | {"x-gradio-server": "http://evil.example"}
    plain = client.get("/config", headers=told).json()
    assert (plain["client"], plain["url"], plain["forwarded"]) == ("testclient", "http://ours.example/config", [])
    trusting = asking(IncomingRequests(trust_proxy=True)).get("/config", headers=told).json()
    # The last entry is the trusted proxy's own, those before it are the visitor's.
    assert (trusting["client"], trusting["url"]) == ("5.6.7.8", "https://allowed.example/config")
    assert trusting["forwarded"] == []


def test_a_trusted_proxys_host_is_checked_like_any():
    client = asking(IncomingRequests(trust_proxy=True))
    assert client.get("/", headers={"x-forwarded-host": "evil.example"}).status_code == 403


def test_a_space_is_served_encrypted():
    client = asking(IncomingRequests(space_host="ours.example"))
    assert client.get("/config").json()["url"] == "https://ours.example/config"


def test_sockets_are_closed(client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(JOIN):
        pass


def test_who_asks_for_no_view_is_sent_to_the_one_to_start_with():
    client = asking(IncomingRequests("/gpt", start_link="?tab=layernorm#p=x"))
    for asked, location in (
        ("/gpt/", "/gpt/?tab=layernorm#p=x"),
        ("/gpt/?__theme=dark", "/gpt/?tab=layernorm&__theme=dark#p=x"),
    ):
        answer = client.get(asked)
        assert (answer.status_code, answer.headers["location"]) == (307, location)
    assert client.get("/gpt/?tab=inside").status_code == client.get("/gpt/config").status_code == 200
    assert asking().get("/").status_code == 200

"""The list of what is open says neither more nor less than the page and the endpoints use."""

import json
import re
import urllib.request
from collections.abc import Iterator

import pytest
from gradio_client import Client
from playwright.sync_api import Browser, expect

from gpt.ui.host.open_routes import OPEN
from tests.in_process import Served, serving

_SECONDS = 60
# What else Gradio 6.31 answers. All of it is closed; a route that stands neither here nor in OPEN was never thought of.
KNOWN_AND_CLOSED = """
GET /config/
GET /gradio_api/app_id
GET /gradio_api/app_id/
GET /gradio_api/custom_component/{id}/{environment}/{type}/{file_name}
GET /gradio_api/deep_link
GET /gradio_api/dev/reload
GET /gradio_api/file/{path:path}
GET /gradio_api/file={path_or_url:path}
GET /gradio_api/info/
GET /gradio_api/login_check
GET /gradio_api/login_check/
GET /gradio_api/openapi.json
GET /gradio_api/proxy={url_path:path}
GET /gradio_api/queue/status
GET /gradio_api/runs
GET /gradio_api/runs/
GET /gradio_api/startup-events
GET /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file
GET /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8
GET /gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}
GET /gradio_api/theme.css
GET /gradio_api/token
GET /gradio_api/token/
GET /gradio_api/upload_progress
GET /gradio_api/user
GET /gradio_api/user/
GET /gradio_api/vibe-code
GET /gradio_api/vibe-code/
GET /logout
GET /monitoring
GET /monitoring/summary
GET /monitoring/{key}
GET /openapi.json
GET /pwa_icon/{size}
GET /svelte/{path:path}
HEAD /gradio_api/file={path_or_url:path}
HEAD /gradio_api/proxy={url_path:path}
HEAD /openapi.json
POST /gradio_api/api/{api_name}
POST /gradio_api/api/{api_name}/
POST /gradio_api/call/v2/{api_name}/
POST /gradio_api/call/{api_name}/
POST /gradio_api/component_server
POST /gradio_api/component_server/
POST /gradio_api/process_recording
POST /gradio_api/reset
POST /gradio_api/reset/
POST /gradio_api/run/{api_name}
POST /gradio_api/run/{api_name}/
POST /gradio_api/stream/{event_id}
POST /gradio_api/stream/{event_id}/close
POST /gradio_api/undo-vibe-edit
POST /gradio_api/undo-vibe-edit/
POST /gradio_api/upload
POST /gradio_api/vibe-code
POST /gradio_api/vibe-code/
POST /gradio_api/vibe-edit
POST /gradio_api/vibe-edit/
POST /gradio_api/vibe-starter-queries
POST /gradio_api/vibe-starter-queries/
POST /login
POST /login/
"""
# Crawlers, probes, and browsers that install the page.
ASKED_BY_OTHERS = (
    ("HEAD", "/"),
    ("GET", "/health"),
    ("GET", "/robots.txt"),
    ("GET", "/favicon.ico"),
    ("GET", "/manifest.json"),
    ("GET", "/pwa_icon"),
)


@pytest.fixture(scope="module")
def served(small_folder) -> Iterator[Served]:
    with serving("--model", str(small_folder)) as served:
        yield served


def routes(holder: object) -> Iterator[tuple[str, str]]:
    """Methods and path templates of an application and the routers in it."""
    for route in holder.routes:
        if hasattr(route, "path"):
            yield from ((method, route.path) for method in route.methods)
        else:
            yield from routes(route.original_router)


def is_open(method: str, path: str) -> bool:
    return any(route.match(method, path) is not None for route in OPEN)


def test_gradio_has_no_route_that_nobody_thought_of(served):
    unknown = []
    for method, template in sorted(set(routes(served.gradio_app))):
        example = re.sub(r"\{[^}]*\}", "x", template)
        if not is_open(method, example) and f"{method} {template}" not in KNOWN_AND_CLOSED.splitlines():
            unknown.append(f"{method} {template}")
    assert not unknown


def test_every_open_route_is_used(served, chromium: Browser):
    _drive_the_page(served.address, chromium)
    _call_as_a_program(served.address)
    for method, path in ASKED_BY_OTHERS:
        asked = urllib.request.Request(f"{served.address}{path}", method=method)
        assert urllib.request.urlopen(asked, timeout=_SECONDS).status == 200
    used = [(method, path) for method, path, status in served.answers if status < 400]
    unused = [route for route in OPEN if not any(route.match(*request) is not None for request in used)]
    assert not unused


def test_nothing_that_the_page_asks_for_is_closed(served, chromium: Browser):
    served.answers.clear()
    _drive_the_page(served.address, chromium)
    assert len(served.answers) > 20
    assert [answer for answer in served.answers if answer[2] >= 400] == []


def _drive_the_page(address: str, chromium: Browser) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#run-status")).to_contain_text("length reached")
    for tab in page.get_by_role("tab").all():
        if tab.is_visible():
            tab.click()
            page.wait_for_timeout(500)
    context.close()


def _call_as_a_program(address: str) -> None:
    client = Client(address, verbose=False)
    client.predict("Hello", 3, api_name="/generate")
    long = client.submit("Hello", 1_000, api_name="/generate")
    next(iter(long))
    long.cancel()
    for version, body in (("", {"data": ["Hello", 1.0, 0, 1.0, 3, "", False]}), ("v2/", {"prompt": "Hello", "n": 3})):
        path = f"{address}/gradio_api/call/{version}next_token"
        asked = urllib.request.Request(path, json.dumps(body).encode(), {"content-type": "application/json"})
        event = json.loads(urllib.request.urlopen(asked, timeout=_SECONDS).read())["event_id"]
        assert b"event: complete" in urllib.request.urlopen(f"{path}/{event}", timeout=_SECONDS).read()
    client.close()

"""What the guard closes stays closed, and every answer carries the policy."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from gpt.ui.guard import guarded


@pytest.fixture
def client() -> TestClient:
    route = Route("/{rest:path}", lambda _: PlainTextResponse("open"), methods=["GET", "POST"])
    return TestClient(Starlette(routes=[route], **guarded()))


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/upload", "/gradio_api/file=https://example.org/x", "/gradio_api/proxy=x", "/gradio_api/deep_link"],
)
def test_closed_paths_are_not_found(client, path):
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404


def test_other_paths_pass_with_a_policy_that_allows_only_this_server(client):
    answer = client.get("/gradio_api/info")
    assert answer.text == "open"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http:" not in policy
    assert "https:" not in policy

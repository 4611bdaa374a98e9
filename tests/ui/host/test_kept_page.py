"""The page is made once for each name, and what cannot be kept is asked for again."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from gpt.ui.host.kept_page import _NAMES, KeptPage


@pytest.fixture
def asked():
    return []


@pytest.fixture
def client(asked):
    """An app that writes down each request, says under which name it was asked, and refuses the name "refused"."""

    async def answer(request: Request) -> PlainTextResponse:
        asked.append(request.url.hostname)
        return PlainTextResponse(str(request.url.hostname), 503 if request.url.hostname == "refused" else 200)

    return TestClient(KeptPage(Starlette(routes=[Route("/", answer), Route("/other", answer)])))


def opened(client, name: str, path: str = "/", packed: bool = True) -> str:
    headers = {"host": name, "accept-encoding": "gzip" if packed else "identity"}
    return client.get(path, headers=headers).text


def test_a_page_is_made_once_for_each_name_and_way_to_travel(client, asked):
    assert [opened(client, name) for name in ("a", "b", "a", "b", "a")] == ["a", "b", "a", "b", "a"]
    assert asked == ["a", "b"]
    assert opened(client, "a", packed=False) == "a"
    assert asked == ["a", "b", "a"]


def test_other_paths_and_refusals_are_asked_for_each_time(client, asked):
    for _ in range(2):
        opened(client, "a", "/other")
        opened(client, "refused")
    assert asked == ["a", "refused", "a", "refused"]


def test_only_so_many_names_are_kept(client, asked):
    names = [f"name-{number}" for number in range(_NAMES + 1)]
    for name in [*names, *reversed(names)]:
        assert opened(client, name) == name
    assert asked == [*names, names[0]]

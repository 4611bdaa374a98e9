"""A Space, simulated: the hub's variables, its page around ours, and nothing asked of anybody else.

Behind a proxy on this machine, too: one that takes the prefix off, and one that leaves it.
"""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Error, FrameLocator, expect

from gpt.ui.host.host_options import HUB_PAGE
from tests.in_process import serving
from tests.serving import free_port, start_app

# What the page around ours was told of addresses, among other messages.
ADDRESSES = "heard.filter((told) => 'queryString' in Object(told))"
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@contextmanager
def http_server(handler: type[BaseHTTPRequestHandler], port: int = 0) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def framing(address: str) -> str:
    """A page with another one in a frame, which writes down what that one tells it."""
    listening = "window.heard = []; addEventListener('message', (told) => heard.push(told.data));"
    frame = f'<iframe src="{address}" width=1200 height=900></iframe>'
    return f'<link rel="icon" href="data:,"><script>{listening}</script>{frame}'


def page_around(address: str) -> type[BaseHTTPRequestHandler]:
    """The hub's page: it frames ours."""

    class Around(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(framing(address).encode())

        def log_message(self, *_):
            pass

    return Around


def proxy(port: int, prefix: str, strips: bool) -> type[BaseHTTPRequestHandler]:
    """What stands in front of a class server: passes on what is asked under a prefix, as it comes in."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            if not self.path.startswith(prefix):
                self.send_response(204)  # the site that the prefix is part of
                self.end_headers()
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            server = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            headers = dict(self.headers.items()) | {"X-Forwarded-For": "203.0.113.7"}
            path = self.path.removeprefix(prefix) or "/"
            server.request(self.command, path if strips else self.path, body, headers)
            answer = server.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("connection", "close")
            self.end_headers()
            while news := answer.read1():
                self.wfile.write(news)
                self.wfile.flush()

        do_POST = do_HEAD = do_GET

        def log_message(self, *_):
            pass

    return Proxy


class Watched:
    """A page of a browser, and what went wrong on it: outside requests, errors, words in the console."""

    def __init__(self, chromium: Browser, ours: tuple[str, ...]) -> None:
        self.page = chromium.new_context().new_page()
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self._note(request.url, ours))
        self.page.on("response", lambda got: got.status >= 400 and self.wrong.append(f"{got.status} {got.url}"))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda said: said.type in {"error", "warning"} and self.wrong.append(said.text))

    def _note(self, url: str, ours: tuple[str, ...]) -> None:
        if not url.startswith((*ours, "data:", "blob:")):
            self.wrong.append(f"request to {url}")


@contextmanager
def space(*arguments: str) -> Iterator[str]:
    """A Space that runs; its address."""
    process, address = start_app(*arguments)
    try:
        yield address
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=20)
    assert "Traceback" not in said


def open_a_token(frame: FrameLocator) -> None:
    expect(frame.locator("#run-status")).to_contain_text("length reached")
    frame.locator("#run-strip .token.new").first.click()
    expect(frame.locator("#opened-token")).to_contain_text("Token 5 of 9")


@pytest.fixture
def on_space(monkeypatch):
    """What the hub sets where a Space runs."""
    given = {
        "SYSTEM": "spaces",
        "SPACE_ID": "me/gpt",
        "SPACE_HOST": "me-gpt.hf.space",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": "7860",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("on_space")
def test_a_space_starts_serves_and_asks_nobody_else(chromium, small_folder):
    hub = f"http://localhost:{free_port()}"
    # The hub's page has another name here, and the port is one that is free; all else is as on a Space.
    with (
        space("--model", str(small_folder), "--frame-ancestors", f"'self' {hub}") as address,
        http_server(page_around(f"{address}/?length=5"), int(hub.rsplit(":", 1)[1])),
    ):
        watched = Watched(chromium, (hub, address))
        watched.page.goto(hub)
        open_a_token(watched.page.frame_locator("iframe"))
        assert watched.page.evaluate(ADDRESSES) == []  # it is not the hub's
        watched.page.context.close()
    assert watched.wrong == []


@pytest.mark.usefixtures("on_space")
def test_the_address_of_the_hubs_page_follows_what_a_space_shows(chromium, small_folder):
    with space("--model", str(small_folder)) as address:
        watched = Watched(chromium, (f"{HUB_PAGE}/", address))
        with suppress(Error):  # a page of the hub may frame this machine's own; older browsers never ask
            watched.page.context.grant_permissions(["local-network-access"])
        around = framing(f"{address}/?length=5&__sign=secret")
        watched.page.route(f"{HUB_PAGE}/**", lambda route: route.fulfill(body=around, content_type="text/html"))
        watched.page.goto(f"{HUB_PAGE}/spaces/me/gpt")
        open_a_token(watched.page.frame_locator("iframe"))
        watched.page.wait_for_function(f"{ADDRESSES}.at(-1)?.queryString.includes('token=5')")
        told = watched.page.evaluate(ADDRESSES)
        assert {"length=5", "tab=probabilities", "token=5"} <= set(told[-1]["queryString"].split("&"))
        assert told[-1]["hash"] == "" and "secret" not in str(told)
        watched.page.context.close()
    assert watched.wrong == []


@pytest.mark.parametrize("strips", [True, False])
def test_behind_a_proxy_with_a_prefix(chromium, small_folder, strips):
    arguments = ["--public", "--root-path", "/gpt", "--model", str(small_folder)]
    with (
        serving(*arguments, "--trust-proxy", "--allowed-hosts", "127.0.0.1") as served,
        http_server(proxy(int(served.address.rsplit(":", 1)[1]), "/gpt", strips)) as front,
    ):
        watched = Watched(chromium, (f"{front}/gpt",))
        watched.page.goto(f"{front}/gpt/")
        expect(watched.page.locator("#run-status")).to_contain_text("length reached")
        watched.page.get_by_role("tab", name="LayerNorm").click()
        expect(watched.page.get_by_role("tab", name="LayerNorm")).to_have_attribute("aria-selected", "true")
        watched.page.context.close()
        assert watched.wrong == []
        assert [answer for answer in served.answers if answer[2] >= 400] == []

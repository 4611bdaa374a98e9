"""Where the server listens, and what is said when it cannot."""

import errno
import json
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from gpt.ui.host import listening_address
from gpt.ui.host.listening_address import NAME, address_of, listen


@pytest.fixture
def taken():
    """A port with a server that answers /health with `said`; set `said` first."""
    said: dict[str, str] = {}

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, said
    server.shutdown()
    server.server_close()


def test_a_free_port_is_listened_on():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with listen("127.0.0.1", port) as found:
        assert found.getsockname() == ("127.0.0.1", port)
        socket.create_connection(("127.0.0.1", port), 5).close()


def test_without_a_port_the_first_free_one_is_taken(monkeypatch, taken):
    port, _ = taken
    monkeypatch.setattr(listening_address, "FIRST_PORT", port)
    with listen("127.0.0.1", None) as found:
        assert port < found.getsockname()[1] < port + 100


def test_no_free_port_gets_a_sentence(monkeypatch, taken):
    port, _ = taken
    monkeypatch.setattr(listening_address, "FIRST_PORT", port)
    monkeypatch.setattr(listening_address, "_PORTS_TRIED", 1)
    with pytest.raises(ValueError, match=r"are all taken: choose one with --port\.$"):
        listen("127.0.0.1", None)


def test_a_taken_port_says_where_the_running_one_is(taken):
    port, said = taken
    with pytest.raises(ValueError, match=rf"^Port {port} is taken by another program: "):
        listen("127.0.0.1", port)
    said["name"] = NAME
    with pytest.raises(ValueError, match=rf"^It already runs at http://127\.0\.0\.1:{port}/: "):
        listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no-such-name.invalid", "300.1.1.1", "a" * 300, "..", "http://x"])
def test_an_address_that_nobody_knows_gets_a_sentence(host):
    with pytest.raises(ValueError, match=r"(is unknown|is not an address).*--host") as refused:
        listen(host, 7860)
    assert len(str(refused.value)) < 250


def test_an_address_of_another_machine_gets_a_sentence():
    with pytest.raises(ValueError, match=r"is not an address of this machine.*--host"):
        listen("192.0.2.1", 7860)  # reserved for documentation


@pytest.mark.parametrize(
    ("code", "sentence"), [(errno.EACCES, "needs rights"), (errno.EAFNOSUPPORT, "cannot listen on")]
)
def test_what_the_system_refuses_gets_a_sentence(monkeypatch, code, sentence):
    def refuse(*_):
        raise OSError(code, "refused")

    monkeypatch.setattr(listening_address, "_bound", refuse)
    with pytest.raises(ValueError, match=sentence):
        listen("127.0.0.1", 80)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:5/"),
        ("0.0.0.0", "http://127.0.0.1:5/"),
        ("::", "http://[::1]:5/"),
        ("::1", "http://[::1]:5/"),
        ("gpt.example", "http://gpt.example:5/"),
    ],
)
def test_what_to_open_in_a_browser(host, address):
    assert address_of(host, 5) == address

"""A small Hub on 127.0.0.1: the answers of huggingface.co for a model's files, and everything that can go wrong."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "c" * 40
_PIECE = 2**16


@dataclass
class Trouble:
    """What goes wrong with the weights; nothing by default."""

    cuts: list[int] = field(default_factory=list)  # of each answer, how many bytes come before the line breaks
    bytes_per_second: float = 0.0  # 0: as fast as it goes
    stalls_after: int = 0  # bytes; then nothing more comes
    changes: bool = False  # the content is not what was announced
    misses: int = 0  # bytes at the end that the Hub announced
    ignores_ranges: bool = False


@dataclass
class Hub:
    """Repositories by name, their files by name; who may not read them; and what was asked for."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refusals: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)  # repository: status and headers
    moved: dict[str, str] = field(default_factory=dict)  # repository: its new name
    elsewhere: bool = False  # large files lie on another host, as huggingface.co has them
    trouble: Trouble = field(default_factory=Trouble)
    requests: list[str] = field(default_factory=list)
    secrets_told: list[str] = field(default_factory=list)  # Authorization headers that the other host received
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def offsets(self, name: str = "model.safetensors") -> list[int]:
        """Where each download of a file began."""
        asked = (request.split() for request in self.requests)
        return [int(parts[-1]) for parts in asked if parts[0] == "GET" and parts[1].endswith(name)]


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.port = server.server_port
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def etag_of(name: str, content: bytes) -> str:
    """Large files go by their SHA-256, small ones by git's digest."""
    if name.endswith((".safetensors", ".bin")):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        with suppress(ConnectionError):
            self._answer(with_body=True)

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def _answer(self, with_body: bool) -> None:
        hub, path = self.hub, self.path.removeprefix("/other-host")
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        hub.requests.append(f"{self.command} {path} from {start}")
        repository, _, rest = path.lstrip("/").partition("/resolve/")
        name = rest.partition("/")[2]
        if repository in hub.moved:
            self._headers(307, {"Location": f"/{hub.moved[repository]}/resolve/{rest}"})
        elif repository in hub.refusals:
            self._headers(*hub.refusals[repository])
        elif repository not in hub.repositories:
            self._headers(404, {"X-Error-Code": "RepoNotFound"})
        elif name not in hub.repositories[repository]:
            self._headers(404, {"X-Error-Code": "EntryNotFound"})
        else:
            self._file(name, hub.repositories[repository][name], start, with_body)

    def _file(self, name: str, content: bytes, start: int, with_body: bool) -> None:
        hub, is_large = self.hub, name.endswith(".safetensors")
        etag = etag_of(name, content)
        announced = {"X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))}
        if is_large and hub.elsewhere and not self.path.startswith("/other-host"):
            self._headers(302, announced | {"Location": f"http://localhost:{hub.port}/other-host{self.path}"})
            return
        if self.path.startswith("/other-host") and "Authorization" in self.headers:
            hub.secrets_told.append(self.headers["Authorization"])
        trouble = hub.trouble if is_large else Trouble()
        start = 0 if trouble.ignores_ranges else start
        if start >= len(content) and start:
            self._headers(416, {})
            return
        sent = content[start:]
        end = self.headers.get("Range", "").rpartition("-")[2]
        sent = sent[: int(end) + 1 - start] if end and not trouble.ignores_ranges else sent
        if trouble.changes:
            sent = sent[:-1] + bytes([sent[-1] ^ 1])
        sent = sent[: len(sent) - trouble.misses] if with_body else sent
        is_part = "Range" in self.headers and not trouble.ignores_ranges
        headers = {"Content-Length": str(len(sent)), "ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
        self._headers(206 if is_part else 200, headers)
        if with_body:
            self._send(sent, trouble)

    def _headers(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": "0"} | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content: bytes, trouble: Trouble) -> None:
        end = trouble.cuts.pop(0) if trouble.cuts else len(content)
        at, end = 0, min(end, len(content))
        while at < end:
            if trouble.stalls_after and at >= trouble.stalls_after:
                time.sleep(60)
            rate = trouble.bytes_per_second  # a test may change it while the answer is under way
            piece = 1 if 0 < rate < 10 else _PIECE
            self.wfile.write(content[at : min(at + piece, end)])
            at += piece
            if rate:
                time.sleep(piece / rate)
        if end < len(content):
            self.close_connection = True

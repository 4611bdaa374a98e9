"""Downloading from a Hub: a small server on this machine stands in for the real one."""

import hashlib
import http.server
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).parents[1]
COMMIT = "0" * 39 + "1"
PROGRAM = """
import json, sys
from gpt.library import Library
told = []
loaded = Library("gpt2-124M").get(on_progress=told.append)
info = next(info for info in Library().models() if info.name == "gpt2-124M")
print(json.dumps({"parameters": loaded.parameters, "told": told, "available": info.available}))
"""


class Hub(http.server.BaseHTTPRequestHandler):
    """The two calls the client makes for a file: its headers, then its bytes, from an offset when resuming."""

    def __init__(self, files: dict[str, bytes], requests: list[str], cut: list[int], *args: object) -> None:
        self.files, self.requests, self.cut = files, requests, cut
        super().__init__(*args)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        content = self.files.get(self.path.rsplit("/", 1)[-1]) if "/resolve/" in self.path else None
        offset = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.requests.append(f"{self.command} {self.path} from {offset}")
        if content is None:
            self.send_error(404)
            return
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Length", str(len(content) - offset))
        self.send_header("Content-Range", f"bytes {offset}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if body:
            end = self.cut.pop() if self.cut and len(content) > 10_000 else len(content)
            self.wfile.write(content[offset:end])
            if end < len(content):
                self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def hub(small_folder: Path) -> Iterator[tuple[str, list[str], list[int]]]:
    """Address of a server with the small model under every name, its requests, and where to break off."""
    files = {path.name: path.read_bytes() for path in small_folder.iterdir()}
    requests: list[str] = []
    cut: list[int] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, files, requests, cut))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", requests, cut
    server.shutdown()
    server.server_close()


def load(endpoint: str, home: Path) -> subprocess.CompletedProcess:
    """Load gpt2-124M in a process of its own: the client reads its settings when imported."""
    environment = {"PATH": "/usr/bin:/bin", "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_weights_are_downloaded_once_with_progress_and_kept(hub, tmp_path, small_model):
    endpoint, requests, _ = hub
    first = load(endpoint, tmp_path)
    answer = json.loads(first.stdout.splitlines()[-1])
    assert answer["parameters"] == sum(parameter.numel() for parameter in small_model.parameters())
    assert any("MiB" in said for said in answer["told"])
    assert answer["available"]
    assert sum("GET" in request and "model.safetensors" in request for request in requests) == 1
    requests.clear()
    second = load("http://127.0.0.1:9", tmp_path)
    assert json.loads(second.stdout.splitlines()[-1])["parameters"] == answer["parameters"]
    assert requests == []


def test_a_download_that_breaks_off_goes_on_where_it_stopped(hub, tmp_path, small_folder):
    endpoint, requests, cut = hub
    cut.append((small_folder / "model.safetensors").stat().st_size * 3 // 4)
    answer = load(endpoint, tmp_path)
    assert json.loads(answer.stdout.splitlines()[-1])["available"]
    offsets = [int(request.rsplit(" ", 1)[1]) for request in requests if "GET" in request and "model.saf" in request]
    assert len(offsets) == 2
    assert offsets[1] > 0


def test_without_a_network_one_sentence_says_so(tmp_path):
    answer = load("http://127.0.0.1:9", tmp_path)
    last = answer.stderr.strip().splitlines()[-1]
    assert "WeightsError: gpt2-124M could not be downloaded" in last
    assert "check the connection" in last

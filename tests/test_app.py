"""Starts that cannot succeed, and ends that come soon whatever is going on."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.serving import free_port, start_app

ROOT = Path(__file__).parents[1]
_SECONDS = 120


def ended(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """The app that was started this way, once it has ended."""
    return subprocess.run(
        [sys.executable, "app.py", *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        env=os.environ | environment,
    )


def one_sentence(process: subprocess.CompletedProcess) -> str:
    """What a start that could not succeed said, and nothing else."""
    assert process.returncode in {1, 2}
    lines = process.stderr.strip().splitlines()
    assert len(lines) == 1, process.stderr
    assert lines[0].startswith("The GPT-2 explorer could not start. ")
    return lines[0]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [("no-such-model", "There is no model called 'no-such-model'"), ("no/such.safetensors", "no/such.safetensors")],
)
def test_a_model_that_is_not_there(model, sentence):
    assert sentence in one_sentence(ended("--model", model))


def test_a_port_that_is_taken():
    port = str(free_port())
    with socket.create_server(("127.0.0.1", int(port))):
        said = one_sentence(ended("--port", port))
    assert f"Port {port} is taken by another program" in said


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("port", "99999", "from 1 to 65535"),
        ("host", "192.0.2.1", "is not an address of this machine"),
        ("host", "no-such-name.invalid", "is unknown"),
        ("public", "perhaps", "choose 1 or 0"),
    ],
)
def test_addresses_and_options_that_cannot_be(option, value, sentence):
    assert sentence in one_sentence(ended(**{f"EXPLORER_{option.upper()}": value}))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser reads everything")
def test_a_folder_that_cannot_be_read(tmp_path):
    folder = tmp_path / "secret"
    folder.mkdir()
    folder.chmod(0)
    try:
        assert "secret" in one_sentence(ended("--model", str(folder)))
    finally:
        folder.chmod(0o700)


def test_a_second_start_on_the_port_says_where_the_first_one_is(small_folder):
    process, address = start_app("--model", str(small_folder))
    try:
        port = address.rsplit(":", 1)[1]
        assert f"It already runs at {address}/" in one_sentence(ended("--port", port))
        assert json.loads(urllib.request.urlopen(f"{address}/health", timeout=_SECONDS).read())["status"] == "ok"
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.name != "posix", reason="other systems have no SIGTERM")
@pytest.mark.parametrize("state", ["starting", "idle", "writing", "open streams"])
def test_sigterm_ends_it_within_five_seconds(state, small_folder):
    model = str(small_folder) if state == "idle" else "gpt2-124M-untrained:int8" if state == "starting" else ""
    if state == "starting":
        process = subprocess.Popen([sys.executable, "app.py", "--port", str(free_port()), "--model", model], cwd=ROOT)
        time.sleep(3)
    else:
        process, address = start_app("--model", model) if model else start_app()
    streams = []
    if state in {"writing", "open streams"}:
        body = json.dumps({"data": ["Once", 1000, 0.8, 50, 1.0, 123, ""]}).encode()
        asked = urllib.request.Request(
            f"{address}/gradio_api/call/generate", body, {"content-type": "application/json"}
        )
        event = json.loads(urllib.request.urlopen(asked, timeout=_SECONDS).read())["event_id"]
        time.sleep(1)
        if state == "open streams":
            for path in (f"call/generate/{event}", "heartbeat/someone"):
                streams.append(urllib.request.urlopen(f"{address}/gradio_api/{path}", timeout=_SECONDS))
                streams[-1].read(1)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(_SECONDS)
    assert time.monotonic() - began < 5
    for stream in streams:
        stream.close()

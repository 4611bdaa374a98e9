"""The command line, the environment, and starts that cannot succeed."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app import parse

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("EXPLORER_MODEL", "EXPLORER_HOST", "EXPLORER_PORT", "GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_by_default_only_this_machine_is_served():
    options = parse([])
    assert (options.model, options.host, options.port) == ("", "127.0.0.1", None)


def test_the_command_line_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("EXPLORER_MODEL", "gpt2-124M")
    monkeypatch.setenv("EXPLORER_PORT", "1234")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")  # what a Space sets
    assert vars(parse([])) == {"model": "gpt2-124M", "host": "0.0.0.0", "port": 1234}
    assert vars(parse(["--model", "x.safetensors", "--host", "::1", "--port", "5"])) == {
        "model": "x.safetensors",
        "host": "::1",
        "port": 5,
    }


@pytest.mark.parametrize(
    ("model", "sentence"),
    [("no-such-model", "There is no model called 'no-such-model'"), ("no/such.safetensors", "no/such.safetensors")],
)
def test_a_start_that_cannot_succeed_ends_with_one_sentence(model, sentence):
    ended = subprocess.run(
        [sys.executable, "app.py", "--model", model], check=False, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert sentence in ended.stderr.strip().splitlines()[-1]


def test_a_port_that_is_taken_ends_with_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "app.py", "--port", port],
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert port in ended.stderr.strip().splitlines()[-1]

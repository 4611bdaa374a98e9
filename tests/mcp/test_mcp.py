"""Assistants at a server with --mcp, in an environment of its own: the package for it holds others back."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.serving import ROOT, start_app

HERE = Path(__file__).parent
ENVIRONMENT = ROOT / ".cache" / "mcp"
PYTHON = ENVIRONMENT / "bin" / "python"
NAMES = {"generate", "next_token", "layernorm", "attribution", "calculate", "models"}
_SECONDS = 120

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def python() -> Path:
    """The environment's Python. It is kept, so that only the first run installs all of it."""
    if not PYTHON.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    torch = f"torch=={version('torch').partition('+')[0]}"  # the one that the other tests run on
    wanted = [torch, "-r", HERE / "requirements.txt"]
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return PYTHON


@pytest.fixture
def served(python, small_folder, monkeypatch):
    """A public server below a prefix, in that environment: the process, and the assistants' address."""
    monkeypatch.setattr(sys, "executable", str(python))
    options = ("--mcp", "--public", "--root-path", "/gpt", "--max-tokens", "100000", "--max-seconds", "0")
    process, address = start_app("--model", str(small_folder), *options)
    yield process, f"{address}/gpt/gradio_api/mcp"
    process.kill()
    process.communicate()


def test_an_assistant_calls_every_endpoint_and_each_session_is_a_visitor(python, served):
    _, address = served
    command = [python, HERE / "assistant.py", "talk", address]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_SECONDS)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert [name for name in seen["capabilities"] if name != "experimental"] == ["tools"]
    assert set(seen["tools"]) == set(seen["answers"]) == NAMES
    for description, schema in seen["tools"].values():
        assert len(description) > 100
        assert "Parameters:" not in description
        assert all(each["description"] for each in schema["properties"].values())
    assert not any(is_error for is_error, _ in seen["answers"].values())
    answers = {name: json.loads(answer) for name, (_, answer) in seen["answers"].items()}
    assert len(answers["generate"]["token_ids"]) == 5
    assert answers["generate"]["finish_reason"] == "length"
    assert len(answers["next_token"]["tokens"]) == 2
    assert answers["layernorm"]["tokens"] == ["Hello"]
    assert answers["calculate"]["parameters"]["total"] == 163_009_536
    assert seen["refused"] == [
        [True, "The prompt is empty: type a few words for the model to continue."],
        [True, 'max_new_tokens is "many": give a whole number.'],
        [
            True,
            '/generate has no parameter called "length": its parameters are prompt, max_new_tokens, temperature, '
            "top_k, top_p, seed, model, begin_with_end_of_text.",
        ],
        [True, "/calculate needs the parameter emb_dim: send it in the JSON object."],
    ]
    assert len(set(seen["sessions"])) == 2
    assert seen["refused_of_16_each"] == [0, 0]
    assert seen["refused_of_17"] == 1


def test_the_tools_are_listed_for_the_page_and_a_foreign_page_reaches_nothing(served):
    _, address = served
    tools = json.loads(urllib.request.urlopen(f"{address}/schema", timeout=_SECONDS).read())
    assert {tool["name"] for tool in tools} == NAMES
    for header in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        sent = urllib.request.Request(address, b"{}", header | {"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(sent, timeout=_SECONDS)


def test_sigterm_ends_a_server_that_writes_for_an_assistant(python, served):
    process, address = served
    command = [python, HERE / "assistant.py", "stay", address]
    assistant = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert assistant.stdout.readline().strip() == b"asking"
        time.sleep(1)  # so that it writes
        began = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        process.wait(_SECONDS)
        assert time.monotonic() - began < 5
    finally:
        assistant.kill()
        assistant.communicate()

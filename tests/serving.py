"""The app started as a user starts it, for everything that opens its page: tests, pictures, benchmarks.

Brings nothing but the standard library, so that each of them can use it from its own environment.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_TIME_LIMIT_SECONDS = 120
_POLL_SECONDS = 0.01


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def start_app(*arguments: str, script: Path = ROOT / "app.py") -> tuple[subprocess.Popen, str]:
    """The app, and its address once it has served its page. Raises RuntimeError when it does not.

    script may be another file that starts it.
    """
    port = free_port()
    command = [sys.executable, str(script), "--port", str(port), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    address = f"http://127.0.0.1:{port}"
    limit = time.monotonic() + _TIME_LIMIT_SECONDS
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise RuntimeError(f"the app ended: {process.stdout.read() if process.stdout else ''}")
        try:
            urllib.request.urlopen(address, timeout=_TIME_LIMIT_SECONDS).read()
            return process, address
        except OSError:
            time.sleep(_POLL_SECONDS)
    process.kill()
    raise RuntimeError(f"the app did not answer within {_TIME_LIMIT_SECONDS} s")

"""The crowd in short: every kind of person for half a minute, and then nothing of them is left."""

import pytest

from tests.crowd.__main__ import KINDS, Process, crowd, table
from tests.own_loop import in_own_loop
from tests.serving import start_app


@pytest.mark.long
def test_a_crowd_gets_right_answers_and_leaves_the_server_as_it_was():
    server, address = start_app("--public", "--trust-proxy")
    process = Process(server.pid)
    try:
        findings = in_own_loop(crowd(address, 2 * len(KINDS), 30, process))
        assert server.poll() is None
    finally:
        server.terminate()
        said, _ = server.communicate(timeout=20)
    assert "Traceback" not in said
    assert findings.answers > 0
    assert findings.wrong == [], table(findings, process)
    assert max(process.files) < 500
    assert max(process.threads) < 150

"""The team of threads does every piece once, in order, waits for nobody that is busy elsewhere, and outlives a fork."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .drivers import driver, needs_sanitizer, run
from .tiny import needs_library

pytestmark = needs_library

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def phases(tmp_path_factory):
    return driver("phases", tmp_path_factory.mktemp("team"), with_engine=False)


@pytest.mark.parametrize("seed", range(3))
def test_every_piece_is_done_once_and_every_phase_after_the_one_before(phases, seed):
    assert run(phases, "all", seed) == "all\n"


def test_threads_share_nothing_that_they_should_not(tmp_path):
    needs_sanitizer(tmp_path, "thread")
    program = driver("phases", tmp_path, "-fsanitize=thread", with_engine=False)
    for what in ("all", "crowded"):
        assert run(program, what, 1) == f"{what}\n"


def test_on_a_crowded_machine_one_thread_works_alone_for_a_while(phases):
    assert run(phases, "crowded") == "crowded\n"


def test_a_short_wait_in_a_long_job_is_no_crowd(phases):
    assert run(phases, "calm") == "calm\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_a_team_of_its_own_even_in_the_middle_of_a_job(phases):
    assert run(phases, "fork") == "fork\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_forked_after_texts_were_written_writes_texts():
    script = """if True:
        import os, signal, torch
        from gpt.generation import generate
        from tests.engine.tiny import IDS, a_model
        torch.set_num_threads(3)
        model = a_model()
        def text():
            return [step.token_id for step in generate(model, IDS, 20, seed=1)]
        expected = text()
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            os._exit(0 if text() == expected else 1)
        assert text() == expected
        assert os.waitpid(child, 0)[1] == 0, "the forked process wrote another text, or none"
    """
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]

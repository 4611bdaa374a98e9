"""On a terminal a training is a bar that fits its width, wide, narrow or resized, and ends with where the model is."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Slow steps: tqdm draws a bar ten times a second at most.
_BAR = """
import time
from gpt.training.training_progress import Bar
from gpt.training.training_steps import Record
bar = Bar(0, 40)
for step in range(1, 41):
    time.sleep(0.12)
    bar.show(Record(step, 100 * step, 3.5, 0.1, 2.0, seconds=0.1))
    if step == 20:
        bar.say("step 20: held-out loss 4.0000 (best so far)")
bar.close()
"""


def on_terminal(arguments: list[str], columns: int, seen: Callable[[int, str], None] = lambda *_: None) -> str:
    """What a Python process writes to a terminal of so many columns; `seen` gets its file and all that was written."""
    ours, theirs = pty.openpty()
    resize(ours, columns)
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written, end = "", time.monotonic() + 300
    while time.monotonic() < end:
        if select.select([ours], [], [], 1)[0]:
            try:
                written += os.read(ours, 65536).decode(errors="replace")
            except OSError:  # on Linux, how a terminal says that nobody holds its other end
                break
            seen(ours, written)
    assert process.wait(60) == 0, written
    os.close(ours)
    return written


def resize(terminal: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def bars(written: str) -> list[str]:
    """Everything that was drawn from the beginning of a line and shows a count of steps."""
    drawn = re.split(r"[\r\n]|\x1b\[[A-Z]", written)
    return [line for line in drawn if re.search(r"\d/40", line)]


@pytest.mark.parametrize("columns", [100, 66, 65, 34])
def test_a_bar_is_one_line_and_has_the_loss_in_it(columns):
    written = on_terminal(["-c", _BAR], columns)
    drawn = bars(written)
    assert len(drawn) > 10
    assert max(map(len, drawn)) <= columns
    assert re.search(r"█+\| 40/40.*, loss 3\.500\]?$", drawn[-1])
    assert "step 20: held-out loss 4.0000 (best so far)\r\n" in written


def test_a_bar_follows_a_terminal_that_is_resized():
    at: list[int] = []

    def narrower(terminal: int, written: str) -> None:
        if not at and "10/40" in written:
            at.append(len(written))
            resize(terminal, 40)

    written = on_terminal(["-c", _BAR], 100, narrower)
    before, after = bars(written[: at[0]]), bars(written[at[0] :])[1:]  # one may have been on its way
    assert 90 < max(map(len, before)) <= 100
    assert len(after) > 5
    assert max(map(len, after)) <= 40
    assert all("loss 3.500" in line for line in after)


def test_a_training_on_a_terminal_ends_with_its_loss_its_folder_and_the_command_that_opens_it(tmp_path):
    text, out = tmp_path / "fable.txt", tmp_path / "fox"
    text.write_text("A fox ran over the hill and looked for the red ball. " * 60)
    sizes = "--emb-dim 32 --layers 1 --heads 2 --context 16 --batch-size 4 --steps 40"
    written = on_terminal(["-m", "gpt.training", str(text), "--out", str(out), *sizes.split()], 80)
    assert "40/40" in bars(written)[-1]
    assert max(map(len, bars(written))) <= 80
    assert len(re.findall(r"step \d+: held-out loss [\d.]+", written)) == 11
    last = written.rstrip("\r\n").rpartition("\r\n")[2]
    assert re.fullmatch(
        rf"Held-out loss \d+\.\d{{4}} nats per token, at step \d+ of 40\. The model is in {out}; open it with: "
        rf"python app\.py --model {out}",
        last,
    )

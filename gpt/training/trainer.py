"""The one training that a server runs for its page: a process of its own in a temporary folder, started and stopped.

The server reads from its log what it does, and goes on whatever happens to it.
"""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from threading import RLock, Thread, Timer
from weakref import WeakSet

from .output_folder import OutputFolder
from .training_history import History, history_in
from .training_request import Asked

_ROOT = Path(__file__).parents[2]
_OPEN: "WeakSet[Trainer]" = WeakSet()

# Exit codes of a process that was asked to end. It ends by itself, or by the signal while it does not handle that
# yet. Windows has no such signal: there it is terminated with status 1.
_STOPPED = (0, 1) if os.name == "nt" else (0, -signal.SIGTERM)
NOTHING, RUNNING, PAUSED, FINISHED, ENDED = "nothing", "running", "paused", "finished", "ended"


@dataclass(frozen=True)
class State:
    """The state of the training, and the sentence about one that ended by itself."""

    kind: str
    said: str = ""

    @property
    def can_go_on(self) -> bool:
        """Whether the same training can be started again where it was."""
        return self.kind in (PAUSED, ENDED)


class Trainer:
    """At most one training; `seconds` is how long it may run before it is paused, None for any time."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._lock = RLock()
        self._folder: Path | None = None
        self._copies: Path | None = None
        self.asked: Asked | None = None  # of the last start
        self._owner: Hashable = None
        self._arguments: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._timer: Timer | None = None
        self._is_asked_to_stop = False
        self._is_finishing = False  # until the process that writes the finished model runs
        self._count = 0
        self.name = ""  # of the training: one for each start
        _OPEN.add(self)

    def start(self, asked: Asked, owner: Hashable = None) -> None:
        """Begin another training. It is the owner's, see `check_owner`. Raises ValueError while one runs."""
        with self._lock:
            if self.state().kind == RUNNING:
                raise ValueError("A training runs on this server already: watch it, or start yours when it has ended.")
            self._forget()
            self.asked, self._owner = asked, owner
            self._folder = Path(tempfile.mkdtemp(prefix="training-"))
            self._arguments = [*asked.arguments(self._folder), "--out", str(self.output)]
            self._count += 1
            self.name = asked.name if self._count == 1 else f"{asked.name}-{self._count}"
            self._run()

    def pause(self) -> None:
        """Ask the training to end after its step, with a checkpoint."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._is_asked_to_stop = True
                self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it for good after its step: the best model so far becomes the finished one.

        Raises ValueError when there is no training to stop.
        """
        with self._lock:
            if self._process is None or self.state().kind not in (RUNNING, PAUSED, ENDED):
                raise ValueError("There is no training to stop: start one.")
            self.pause()
            self._is_finishing = True
            Thread(target=self._finish, args=[self._process], daemon=True).start()

    def _finish(self, process: "subprocess.Popen[str]") -> None:
        """Once the process has ended, run the same command with no step left to take."""
        process.wait()
        with self._lock:
            if self._process is process and self._is_finishing:
                history = self.history()
                self._arguments += ["--steps", str(max(1, history.steps_done if history else 0))]
                self._run()

    def go_on(self, most_steps: int | None = None) -> None:
        """Run the same command again: it goes on from its checkpoint, and is paused again after that many steps.

        Raises ValueError when there is nothing to go on with.
        """
        with self._lock:
            if not self.state().can_go_on:
                raise ValueError("There is no training to go on with: start one.")
            self._run(most_steps)

    def start_again(self) -> None:
        """Begin the last training anew: the same text, options and seed, and so the same first weights.

        Raises ValueError when there was none, and while one runs.
        """
        with self._lock:
            if self.asked is None:
                raise ValueError("There is no training to start again: start one.")
            self.start(self.asked, self._owner)

    def is_owned_by(self, who: Hashable) -> bool:
        """Whether this visitor started the training, or nobody owns it."""
        return self._owner is None or self._owner == who

    def check_owner(self, who: Hashable) -> None:
        """Raise ValueError for a training that somebody else has started."""
        if not self.is_owned_by(who):
            raise ValueError("Another visitor has started this training: watch it, and start yours when it has ended.")

    def copy_of(self, step: int | None) -> tuple[str, Path]:
        """A name for the model of a kept step, or for the best one (None), and a folder that outlives the training.

        Raises ValueError for a model that is not there.
        """
        with self._lock:
            if step is None and self.state().kind != FINISHED:
                raise ValueError("The best model is written when the training has finished: let it go on, or stop it.")
            name = f"{self.name}@{'best' if step is None else step}"
            model = self.output if step is None else OutputFolder(self.output).kept_step(step)
            if not (model / "model.safetensors").exists():
                raise ValueError(f"Step {step} of this training is not there: choose another one.")
            if self._copies is None:
                self._copies = Path(tempfile.mkdtemp(prefix="trained-"))
            if not (self._copies / name).exists():
                shutil.copytree(model, self._copies / name, ignore=shutil.ignore_patterns("steps", ".checkpoints"))
            return name, self._copies / name

    @property
    def output(self) -> Path:
        """The folder that the training writes to."""
        assert self._folder is not None
        return self._folder / "model"

    def history(self) -> History | None:
        """What the training has logged and kept so far, None before it has."""
        with self._lock:
            return None if self._folder is None else history_in(self.output)

    def state(self) -> State:
        """How it stands now."""
        with self._lock:
            if self._process is None:
                return State(NOTHING)
            status = self._process.poll()
            if status is None or self._is_finishing:
                return State(RUNNING)
            if status == 0 and (self.output / "model.safetensors").exists():
                return State(FINISHED)
            if self._is_asked_to_stop and status in _STOPPED:
                return State(PAUSED)
            return State(ENDED, self._why_it_ended(status))

    def close(self) -> None:
        """End the process, and delete what it and `copy_of` have written."""
        with self._lock:
            self._forget()
            if self._copies is not None:
                shutil.rmtree(self._copies, ignore_errors=True)
                self._copies = None

    def _run(self, most_steps: int | None = None) -> None:
        self._is_asked_to_stop, self._is_finishing = most_steps is not None, False
        at_most = [] if most_steps is None else ["--at-most", str(most_steps)]
        assert self._folder is not None
        with (self._folder / "said.txt").open("w", encoding="utf-8") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gpt.training.background_process", *self._arguments, *at_most],
                cwd=_ROOT,
                stdin=subprocess.PIPE,  # closed when this process ends, however it does
                stdout=said,
                stderr=said,
                text=True,
            )
        if self._seconds is not None:
            self._timer = Timer(self._seconds, self._pause_if_still, [self._process])
            self._timer.daemon = True
            self._timer.start()

    def _pause_if_still(self, process: "subprocess.Popen[str]") -> None:
        with self._lock:
            if self._process is process:
                self.pause()

    def _why_it_ended(self, status: int) -> str:
        if status < 0:
            name = signal.Signals(-status).name
            return f"The training process was ended from outside ({name}): Go on takes up its last checkpoint."
        assert self._folder is not None
        said = (self._folder / "said.txt").read_text(encoding="utf-8", errors="replace")
        last_line = said.strip().rpartition("\n")[2].rpartition("error: ")[2]
        return last_line or f"The training process ended with exit status {status}, and did not say why."

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()  # its folder is deleted with it
            self._process.wait()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process, self._folder = None, None


def close_all() -> None:
    """End every training of this server and delete its files. For the end of the server, however early that comes."""
    for trainer in list(_OPEN):
        trainer.close()


atexit.register(close_all)

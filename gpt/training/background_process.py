"""`python -m gpt.training` as the page starts it: other processes go first, and it ends with the one that started it.

It takes the same arguments. When its standard input is closed, it stops as on Ctrl-C, with a checkpoint.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread

from .command_line import main


def _stop_with_starter() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)  # the page has to keep answering
    with suppress(OSError):
        # If memory runs out, Linux should end this process and not the page.
        Path("/proc/self/oom_score_adj").write_text("1000")
    Thread(target=_stop_with_starter, daemon=True).start()
    main()

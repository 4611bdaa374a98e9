"""Rows about a beginning: a file that is opened, the app that is started. Every figure is a fresh process's.

Files are in the system's cache by then: a round that is not kept reads them first.
"""

import subprocess
import sys
import time
from typing import Any

from arena import ROOT, Missing, last_line, make, run_alone
from result import Finding, Outcome, Plan, Series

sys.path.insert(0, str(ROOT))

from tests.serving import start_app


def opening(plan: Plan) -> Outcome:
    """A float32 file to the first forward, ours and transformers in turn."""
    weights = make(plan.folder, "weights")
    answers: dict[str, list[Any]] = {"ours": [], "transformers": []}
    missing: dict[str, str] = {}
    for _ in range(plan.rounds + 1):
        for who in [who for who in answers if who not in missing]:
            try:
                answers[who].append(run_alone("opening.py", who, str(weights)))
            except Missing as reason:
                missing[who] = str(reason)
    if "ours" in missing:
        raise Missing(missing["ours"])
    series = {who: _opening_series(who, kept[1:]) for who, kept in answers.items() if who not in missing}
    seconds, grown = series["ours"]
    what = "float32 file to first forward / transformers"
    if missing:
        ratio = Finding(what, 1.0, False, "×", why_not="transformers is missing")
    else:
        ratio = Finding(what, 1.0, False, "×", seconds.median / series["transformers"][0].median)
    file_bytes = (weights / "model.safetensors").stat().st_size
    memory = Finding("resident memory / float32 file", 1.1, False, "×", grown.median / file_bytes)
    return Outcome([each for pair in series.values() for each in pair], [ratio, memory], missing=missing)


def _opening_series(who: str, answers: list[dict[str, float]]) -> tuple[Series, Series]:
    return (
        Series(f"file to first forward, {who}", "s", [answer["seconds"] for answer in answers]),
        Series(f"growth of peak resident memory, {who}", "MB", [answer["grown_bytes"] for answer in answers]),
    )


def start(plan: Plan) -> Outcome:
    """`python app.py` to the first page, against importing what it stands on."""
    seconds: dict[str, list[float]] = {"app.py to the first page": [], "import torch, gradio": []}
    for _ in range(plan.rounds + 1):
        for kept, measure in zip(seconds.values(), (_first_page, _imports), strict=True):
            kept.append(measure())
    page, imports = (Series(what, "s", kept[1:]) for what, kept in seconds.items())
    ratio = page.median / imports.median
    return Outcome([page, imports], [Finding(f"{page.what} / {imports.what}", 1.3, False, "×", ratio)])


def _imports() -> float:
    begin = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", "import torch, gradio"], check=False, capture_output=True, text=True, cwd=ROOT
    )
    seconds = time.perf_counter() - begin
    if ended.returncode:
        raise Missing(last_line(ended.stderr))
    return seconds


def _first_page() -> float:
    begin = time.perf_counter()
    try:
        app, _ = start_app()
    except RuntimeError as reason:
        raise Missing(last_line(str(reason))) from reason
    seconds = time.perf_counter() - begin
    app.kill()
    app.communicate()
    return seconds

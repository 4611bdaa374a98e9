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

_OPENERS = ("ours", "transformers")
_FIRST = ("first forward", "first token")  # what a file is opened for


def opening(plan: Plan) -> Outcome:
    """A float32 file to the first forward, and to the first token of a generation; ours and transformers in turn."""
    weights = make(plan.folder, "weights")
    file_bytes = (weights / "model.safetensors").stat().st_size
    answers, missing = _opened(plan, str(weights))
    outcome = Outcome(missing=missing)
    for what in _FIRST:
        seconds, grown = (
            {who: Series(f"{name} {what}, {who}", unit, [each[key] for each in answers[who, what]]) for who in _OPENERS}
            for name, unit, key in (
                ("file to", "s", "seconds"),
                ("growth of peak resident memory to", "MB", "grown_bytes"),
            )
        )
        outcome.series += [series for pair in (seconds, grown) for series in pair.values() if series.values]
        ratio = None if missing else seconds["ours"].median / seconds["transformers"].median
        why_not = "transformers is missing" if missing else ""
        outcome.findings += [
            Finding(f"float32 file to {what} / transformers", 1.0, False, "×", ratio, why_not),
            Finding(f"resident memory at {what} / float32 file", 1.1, False, "×", grown["ours"].median / file_bytes),
        ]
    return outcome


def _opened(plan: Plan, weights: str) -> tuple[dict[tuple[str, str], list[Any]], dict[str, str]]:
    """What opening.py says of everybody, round by round, and why transformers could not take part."""
    answers: dict[tuple[str, str], list[Any]] = {(who, what): [] for who in _OPENERS for what in _FIRST}
    missing: dict[str, str] = {}
    for number in range(plan.rounds + 1):
        for (who, what), kept in answers.items():
            if who in missing:
                continue
            try:
                answer = run_alone("opening.py", who, what, weights)
            except Missing as reason:
                if who == "ours":
                    raise
                missing[who] = str(reason)
            else:
                if number:
                    kept.append(answer)
    return answers, missing


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

"""Measures this project against its goals and its peers: a table on standard output, everything as JSON.

tests/bench/run makes the environment for it. Nothing else should run on the machine meanwhile.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import bundled
import company
import learning
import ourselves
import resident
import speed
import starting
from arena import Missing
from report import as_json, as_table, surroundings
from result import Outcome, Plan

ROWS: dict[str, Callable[[Plan], Outcome]] = {
    "decode-float32": speed.decode_float32,
    "decode-int8": speed.decode_int8,
    "prompt": speed.prompt,
    "recording": ourselves.recording,
    "position": ourselves.position,
    "opening": starting.opening,
    "resident": resident.resident,
    "int8-quality": bundled.quality,
    "crowd-float32": company.crowd_float32,
    "crowd-int8": company.crowd_int8,
    "reading": company.reading,
    "past-context": company.past_context,
    "busy": ourselves.busy,
    "start": starting.start,
    "bundled": bundled.speed,
    "click": bundled.click,
    "visit": bundled.visit,
    "learning": learning.learning,
}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure the explorer against its goals and its peers.")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each figure, 7 unless told")
    parser.add_argument("--quick", action="store_true", help="2 rounds of few tokens: to see it work, not for figures")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW", help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--text", type=Path, help="a UTF-8 text that the bundled model was not trained on")
    parser.add_argument("--json", type=Path, help="where to write every measurement")
    return parser.parse_args()


def main() -> None:
    """Run the rows one after the other."""
    options = parse()
    before = surroundings(options.quick)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            folder=Path(folder),
            rounds=2 if options.quick else options.rounds,
            new_tokens=16 if options.quick else 128,
            quality_tokens=2_000 if options.quick else 50_000,
            text=options.text,
        )
        outcomes: dict[str, Outcome] = {}
        for name in options.only or ROWS:
            outcomes[name] = _outcome(name, plan)
            if options.json:  # after each row: a run that is ended early keeps what it has measured
                options.json.write_text(as_json(before, plan, outcomes), encoding="utf-8")
    print(as_table(before, plan, outcomes))


def _outcome(name: str, plan: Plan) -> Outcome:
    """What one row found; one that fails says why, and the others go on."""
    print(f"{name} …", file=sys.stderr)
    try:
        return ROWS[name](plan)
    except Missing as reason:
        return Outcome(failure=str(reason))


if __name__ == "__main__":
    main()

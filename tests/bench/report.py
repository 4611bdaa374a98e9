"""The findings as Markdown and as JSON, with where and when they were made.

Whoever reads a table later must be able to tell which machine, which versions and how busy an hour it was.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from arena import ROOT
from peers import CORES
from result import Finding, Outcome, Plan, Series, show

_PACKAGES = ("torch", "gradio", "transformers", "llama-cpp-python", "ctranslate2")
_CPUINFO = Path("/proc/cpuinfo")
# What Linux calls the instruction sets that decide how fast a matrix product can be, on x86 and on ARM.
_INSTRUCTION_SETS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX-VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_int8": "AMX",
    "asimd": "NEON",
    "asimddp": "NEON dot product",
    "i8mm": "NEON int8 products",
    "sve": "SVE",
}


def surroundings(quick: bool) -> dict[str, Any]:
    """Date, processor, cores, versions, and what else kept the machine busy just before."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "processor": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "instruction_sets": _instruction_sets(),
        "cores": CORES,
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in _PACKAGES},
        "load_before": round(os.getloadavg()[0], 2),
        "quick": quick,
    }


def as_table(before: Mapping[str, Any], plan: Plan, outcomes: Mapping[str, Outcome]) -> str:
    """One row per goal, one per series of measurements, and what was missing or is worth knowing."""
    return "\n".join(
        [
            *_heading(before, plan),
            "",
            "| goal | measured | met |",
            "|---|---|---|",
            *(row for name, outcome in outcomes.items() for row in _goal_rows(name, outcome)),
            "",
            "| what was measured | median | lowest to highest |",
            "|---|---|---|",
            *(_series_row(series) for outcome in outcomes.values() for series in outcome.series),
            "",
            *_remarks(outcomes),
        ]
    )


def as_json(before: Mapping[str, Any], plan: Plan, outcomes: Mapping[str, Outcome]) -> str:
    """Everything, every single measurement too."""
    rows = {
        name: {
            "goals": [asdict(finding) | {"goal": finding.goal, "met": finding.met} for finding in outcome.findings],
            "series": [asdict(series) | {"median": series.median} for series in outcome.series],
            "notes": outcome.notes,
            "missing": outcome.missing,
            "failure": outcome.failure,
        }
        for name, outcome in outcomes.items()
    }
    settings = {"rounds": plan.rounds, "new_tokens": plan.new_tokens}
    return json.dumps({**before, **settings, "rows": rows}, indent=2, ensure_ascii=False) + "\n"


def _heading(before: Mapping[str, Any], plan: Plan) -> Iterator[str]:
    versions = ", ".join(f"{package} {number}" for package, number in before["versions"].items())
    sets = ", ".join(before["instruction_sets"]) or "instruction sets unknown"
    yield f"{before['date']}, commit {before['commit']}: {before['processor']} ({sets}), {before['cores']} cores,"
    yield f"Python {before['python']}, {versions}."
    yield f"Medians of {plan.rounds} interleaved rounds; the machine's load before them was {before['load_before']}."
    if before["quick"]:
        yield "**A quick run: it shows that everything works; its figures mean nothing.**"


def _goal_rows(name: str, outcome: Outcome) -> Iterator[str]:
    if outcome.failure:
        yield f"| {name} | – | not measured: {outcome.failure} |"
    yield from map(_goal_row, outcome.findings)


def _goal_row(finding: Finding) -> str:
    if finding.value is None:
        return f"| {finding.goal} | – | not measured: {finding.why_not} |"
    return f"| {finding.goal} | {show(finding.value, finding.unit)} | {'yes' if finding.met else '**no**'} |"


def _series_row(series: Series) -> str:
    lowest, highest = (show(value, series.unit) for value in (min(series.values), max(series.values)))
    return f"| {series.what} | {show(series.median, series.unit)} | {lowest} to {highest} |"


def _remarks(outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    missing = {name: reason for outcome in outcomes.values() for name, reason in outcome.missing.items()}
    for name, reason in missing.items():
        yield f"- Missing: {name} ({reason})."
    for note in dict.fromkeys(note for outcome in outcomes.values() for note in outcome.notes):
        yield f"- {note}"


def _instruction_sets() -> list[str]:
    flags = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return [name for flag, name in _INSTRUCTION_SETS.items() if flag in flags]


def _cpuinfo(name: str) -> str:
    """What Linux says about the first core under that name; "" where it says nothing."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    values = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name)
    return next(values, "")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _commit() -> str:
    """Which state of the project was measured, marked when files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], check=False, capture_output=True, text=True, cwd=ROOT
    )
    return described.stdout.strip() or "unknown"

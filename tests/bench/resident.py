"""A row about memory: what a whole process takes, measured and estimated, for ten configurations from 124M up."""

import sys
from dataclasses import replace

from arena import ROOT
from result import Finding, Outcome, Plan, Series

sys.path.insert(0, str(ROOT))

from gpt import GPTConfig
from gpt.estimates.measured_process import Measurement
from gpt.estimates.measurement import measure
from gpt.estimates.resident_memory import resident_peak
from gpt.estimates.workload import Workload

_SMALL, _MEDIUM, _LARGE = (GPTConfig.preset(f"gpt2-{size}") for size in ("124M", "355M", "774M"))
_SMALL_TIED, _MEDIUM_TIED, _LARGE_TIED = (replace(config, tied_head=True) for config in (_SMALL, _MEDIUM, _LARGE))

CONFIGURATIONS = {
    "124M, a token": (_SMALL, Workload(seq_len=1)),
    "355M, 1,024 tokens": (_MEDIUM, Workload()),
    "774M tied, bfloat16, 1,024 tokens": (_LARGE_TIED, Workload("bfloat16")),
    "124M, SGD, a token": (_SMALL, Workload(seq_len=1, mode="training", optimizer="sgd")),
    "774M tied, SGD, a token": (_LARGE_TIED, Workload(seq_len=1, mode="training", optimizer="sgd")),
    "124M tied, AdamW, a token": (_SMALL_TIED, Workload(seq_len=1, mode="training")),
    "124M, AdamW, 256 tokens": (_SMALL, Workload(seq_len=256, mode="training")),
    "124M, AdamW, 2 × 512 tokens, attention again": (
        _SMALL,
        Workload(batch_size=2, seq_len=512, mode="training", recompute="selective"),
    ),
    "355M tied, AdamW, 256 tokens, blocks again": (
        _MEDIUM_TIED,
        Workload(seq_len=256, mode="training", recompute="full"),
    ),
    "124M, mixed AdamW, 64 tokens": (
        _SMALL,
        Workload("bfloat16", seq_len=64, mode="training", optimizer="adamw_mixed"),
    ),
}


def resident(_: Plan) -> Outcome:
    """Each configuration once; the largest takes 7 GB."""
    outcome, off = Outcome(), []
    for name, (config, workload) in CONFIGURATIONS.items():
        estimate = resident_peak(config, workload)
        try:
            *_, found = measure(config, workload)
        except (ValueError, RuntimeError) as reason:
            outcome.missing[name] = str(reason)
            continue
        assert isinstance(found, Measurement) and estimate is not None
        if found.resident_peak is None:
            outcome.missing[name] = "this system does not say what a process held at most"
            continue
        outcome.series.append(Series(f"whole process, measured: {name}", "MB", [found.resident_peak]))
        outcome.series.append(Series(f"whole process, estimated: {name}", "MB", [estimate.value]))
        off.append(abs(estimate.value / found.resident_peak - 1))
    everything = len(off) == len(CONFIGURATIONS)
    outcome.findings.append(
        Finding(
            "whole process, the estimate that is furthest off",
            0.10,
            False,
            "%",
            max(off) if everything else None,
            "" if everything else "not every configuration could be measured",
        )
    )
    return outcome

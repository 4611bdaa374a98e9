"""What the panel after the chapter shows, as data to save: caches by kind of attention, and times beside a roofline."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ...config import GPTConfig
from ...estimates.cache_variants import cache_variants
from ...estimates.formula import Formula
from ...estimates.roofline import Rates, Reading, next_token, prompt
from ...estimates.workload import Workload
from .after_chapter_inputs import AfterInputs, as_reading, own_of, rates_of, variants_of

_CACHES = "after the chapter, key-value cache"
_ROOFLINE = "after the chapter, at best"
_OWN = "after the chapter, measured"


def after_record(config: GPTConfig, workload: Workload, asked: AfterInputs) -> dict[str, Any]:
    """Ready for JSON; None for what the fields make impossible, and for what was not measured of these settings."""
    reading = as_reading(workload)
    return {
        "caches": _caches_record(config, reading, asked),
        "at_best": _best_record(config, reading, asked),
        "measured": _own_record(config, reading, asked),
    }


def after_sums(config: GPTConfig, workload: Workload, asked: AfterInputs) -> Iterator[tuple[str, Formula]]:
    """Every formula with what it is about. Times are in nanoseconds: a small model's are below a millisecond."""
    reading = as_reading(workload)
    for formula in _caches(config, reading, asked) or ():
        yield _CACHES, formula
    for name, each in (_readings(config, reading, asked) or {}).items():
        yield _ROOFLINE, each.bytes_read
        yield _ROOFLINE, each.flops
        yield _ROOFLINE, _time(name, each, rates_of(asked))
    own = own_of(config, reading, asked)
    if own is not None:
        for name, seconds in {"token": own.rate.token_seconds, "prompt": own.rate.prompt_seconds}.items():
            yield _OWN, Formula(name, "", "", round(1e9 * seconds), "nanoseconds", f"this app with {own.name}")


def _caches(config: GPTConfig, workload: Workload, asked: AfterInputs) -> tuple[Formula, ...] | None:
    try:
        return cache_variants(config, workload, variants_of(asked))
    except ValueError:  # the panel says so
        return None


def _readings(config: GPTConfig, workload: Workload, asked: AfterInputs) -> dict[str, Reading] | None:
    try:
        rates = rates_of(asked)
    except ValueError:  # the panel says so
        return None
    return {"token": next_token(config, workload, rates), "prompt": prompt(config, workload, rates)}


def _time(name: str, reading: Reading, rates: Rates) -> Formula:
    bandwidth, arithmetic = (f"{rate:,.0f}" for rate in vars(rates).values())
    return Formula(
        name,
        "max(bytes / bandwidth, FLOP / arithmetic)",
        f"max({reading.bytes_read.value:,} / {bandwidth}, {reading.flops.value:,} / {arithmetic})",
        round(1e9 * reading.seconds),
        "nanoseconds",
        f"bound by {reading.bound_by}",
    )


def _caches_record(config: GPTConfig, workload: Workload, asked: AfterInputs) -> dict[str, Any] | None:
    rows = _caches(config, workload, asked)
    return None if rows is None else {**asdict(variants_of(asked)), "bytes": {row.name: row.value for row in rows}}


def _best_record(config: GPTConfig, workload: Workload, asked: AfterInputs) -> dict[str, Any] | None:
    readings = _readings(config, workload, asked)
    if readings is None:
        return None
    times = {
        name: {
            "bytes_read": each.bytes_read.value,
            "flops": each.flops.value,
            "seconds": each.seconds,
            "bound_by": each.bound_by,
        }
        for name, each in readings.items()
    }
    return {**asdict(rates_of(asked)), **times}


def _own_record(config: GPTConfig, workload: Workload, asked: AfterInputs) -> dict[str, Any] | None:
    own = own_of(config, workload, asked)
    return None if own is None else {"model": own.name, "dtype": own.dtype, **asdict(own.rate)}

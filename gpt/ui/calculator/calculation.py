"""One calculation as data: what /calculate answers and what the Calculator saves."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ...config import GPTConfig
from ...estimates.budget import count_parameters, memory_of
from ...estimates.flops import count_flops
from ...estimates.formula import Formula
from ...estimates.measured_process import Measurement
from ...estimates.resident_memory import resident_peak
from ...estimates.workload import Workload
from ..common.captions import About
from ..common.number_format import counted
from .after_chapter_files import after_record, after_sums
from .after_chapter_inputs import AfterInputs
from .setting_controls import same_model


@dataclass(frozen=True)
class Measured:
    """A measurement: of which settings, on which machine, and what was found."""

    config: GPTConfig
    workload: Workload
    machine: str
    found: Measurement

    def is_of(self, config: GPTConfig, workload: Workload) -> bool:
        """Whether these settings were measured, however they are said: an inner_dim of 4 · emb_dim is none."""
        return same_model(config, self.config) and workload == self.workload


_MEMORY_KEYS = ("weights", "gradients", "optimizer", "activations", "kv_cache", "logits", "total", "peak")


def about_settings(what: str, config: GPTConfig, workload: Workload | None = None, colours: str = "") -> About:
    """What a figure of the calculator is of."""
    places: dict[str, str | int] = {
        "blocks": config.n_layers,
        "heads": config.n_heads,
        "features": config.emb_dim,
        "vocabulary": config.vocab_size,
    }
    if workload is not None:
        texts = f"{workload.batch_size} × {counted(workload.seq_len, 'token', '')}"
        places |= {"mode": workload.mode, "dtype": workload.dtype, "texts": texts}
    return About(f"Calculator: {what}", places=places, colours=colours)


def answer(config: GPTConfig, workload: Workload) -> dict[str, Any]:
    """Parameters, bytes and operations. Raises ValueError for an impossible workload."""
    parameters = count_parameters(config)
    memory = memory_of(config, workload)
    resident = resident_peak(config, workload)
    flops = count_flops(config, workload.batch_size, workload.seq_len, workload.recompute)
    return {
        "parameters": {
            "total": parameters.total,
            "by_component": parameters.by_component,
            "per_block": parameters.per_block,
        },
        "memory_bytes": {key: getattr(memory, key) for key in _MEMORY_KEYS}
        | {"resident": None if resident is None else resident.value},
        "flops": {
            "forward": flops.forward,
            "training": flops.training,
            "forward_per_token": flops.forward_per_token,
            "training_per_token": flops.training_per_token,
            "by_component": flops.by_component,
        },
    }


def sums(config: GPTConfig, workload: Workload, asked: AfterInputs) -> Iterator[tuple[str, Formula]]:
    """Every formula with what it is about: parameters, memory, operations, and what came after the chapter."""
    memory = memory_of(config, workload)
    flops = count_flops(config, workload.batch_size, workload.seq_len, workload.recompute)
    resident = resident_peak(config, workload)
    sections = {
        "parameters": count_parameters(config).formulas,
        "memory": memory.formulas,
        "memory, whole process": () if resident is None else (resident,),
        "memory, other formulas": memory.alternatives,
        "operations": flops.formulas,
    }
    for section, formulas in sections.items():
        for formula in formulas:
            yield section, formula
    yield from after_sums(config, workload, asked)


def measured_rows(config: GPTConfig, workload: Workload, measured: Measured | None) -> Iterator[tuple[str, Formula]]:
    """What was measured of these settings, as rows beside those of `sums`; none of others."""
    if measured is None or not measured.is_of(config, workload):
        return
    source = f"measured on {measured.machine}"
    for name, value in asdict(measured.found).items():
        if value is not None:
            in_seconds = name.endswith("_seconds")
            whole, unit = (round(1e6 * value), "microseconds") if in_seconds else (value, "bytes")
            yield "measured", Formula(name.removesuffix("_seconds"), "", "", whole, unit, source)


def record(
    config: GPTConfig, workload: Workload, asked: AfterInputs, measured: Measured | None = None
) -> dict[str, Any]:
    """The settings, the answer, every formula, and what was measured of these settings, ready for JSON."""
    measurement = None
    if measured is not None and measured.is_of(config, workload):
        measurement = {"machine": measured.machine, **asdict(measured.found)}
    return {
        "config": asdict(config),
        "workload": asdict(workload),
        **answer(config, workload),
        "formulas": [{"section": section, **asdict(formula)} for section, formula in sums(config, workload, asked)],
        "after_the_chapter": after_record(config, workload, asked),
        "measurement": measurement,
    }

"""One calculation as data: what /calculate answers and what the Calculator saves."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ..budget import count_parameters, memory_of
from ..config import GPTConfig
from ..flops import count_flops
from ..formula import Formula
from ..workload import Workload

_MEMORY_KEYS = ("weights", "gradients", "optimizer", "activations", "kv_cache", "logits", "total", "peak")


def answer(config: GPTConfig, workload: Workload) -> dict[str, Any]:
    """Parameters, bytes and operations. Raises ValueError for an impossible workload."""
    parameters = count_parameters(config)
    memory = memory_of(config, workload)
    flops = count_flops(config, workload.batch_size, workload.seq_len, workload.recompute)
    return {
        "parameters": {
            "total": parameters.total,
            "by_component": parameters.by_component,
            "per_block": parameters.per_block,
        },
        "memory_bytes": {key: getattr(memory, key) for key in _MEMORY_KEYS},
        "flops": {
            "forward": flops.forward,
            "training": flops.training,
            "forward_per_token": flops.forward_per_token,
            "training_per_token": flops.training_per_token,
            "by_component": flops.by_component,
        },
    }


def sums(config: GPTConfig, workload: Workload) -> Iterator[tuple[str, Formula]]:
    """Every formula with what it is about: parameters, memory, memory by another formula, operations."""
    memory = memory_of(config, workload)
    flops = count_flops(config, workload.batch_size, workload.seq_len, workload.recompute)
    sections = {
        "parameters": count_parameters(config).formulas,
        "memory": memory.formulas,
        "memory, other formulas": memory.alternatives,
        "operations": flops.formulas,
    }
    for section, formulas in sections.items():
        for formula in formulas:
            yield section, formula


def record(config: GPTConfig, workload: Workload) -> dict[str, Any]:
    """The settings, the answer and every formula, ready for JSON."""
    return {
        "config": asdict(config),
        "workload": asdict(workload),
        **answer(config, workload),
        "formulas": [{"section": section, **asdict(formula)} for section, formula in sums(config, workload)],
    }

"""What a whole process takes in memory, tensors and all: measured figures on top of the peak that the formulas give.

The rest of it is Python, torch and its libraries, and what the C library keeps of freed memory in gaps too small for
the next tensor. tests/bench/resident.py measures ten configurations, and says how far this estimate is off.
"""

from dataclasses import replace

from ..config import GPTConfig
from .activations import block_in_backward
from .budget import memory_of
from .formula import Formula, constant, symbol, total
from .workload import Workload, model_symbols, work_symbols

MEASURED_ON = "2 processors of AMD EPYC, Linux x86_64, torch 2.13.0, November 2026"
_PROCESS_BYTES = 326 * 10**6  # 236 MB before a model is built, 90 MB more once anything has run
_GAPS_PERCENT = 5
_BLOCKS_OF_GAPS = 3  # when blocks are computed again: what they work in is freed between what is kept
_MAPPED_BYTES = 32 * 2**20  # the C library gives larger arrays back as soon as they are freed


def resident_peak(config: GPTConfig, workload: Workload) -> Formula | None:
    """Bytes a process holds at most that does this with gpt/model.py on a CPU; None for int8, which it does not do.

    Raises ValueError for an impossible workload.
    """
    peak = symbol("peak", memory_of(config, workload).peak)
    if workload.dtype == "int8":
        return None
    gaps = symbol(f"{_GAPS_PERCENT} % of it", peak.value * _GAPS_PERCENT // 100)
    blocks = _BLOCKS_OF_GAPS * symbol("one block", _freed_between(config, workload))
    whole = total(constant(_PROCESS_BYTES), peak, gaps, blocks)
    return whole.formula("resident", "bytes", f"measured on {MEASURED_ON}")


def _freed_between(config: GPTConfig, workload: Workload) -> int:
    """Bytes that one block works in and that stay with the process; 0 where nothing is computed again."""
    if workload.recompute == "none":
        return 0
    m, w = model_symbols(config), work_symbols(workload)
    if (w.b * m.h * w.s**2 * w.A).value >= _MAPPED_BYTES:
        config = replace(config, drop_rate_attn=0.0)  # without the attention weights
    return block_in_backward(config, workload, m, w).value

"""What a whole process takes in memory: the peak of its tensors, by the formulas, and measured figures for the rest.

The rest is Python, torch and its libraries, and what the C library keeps of freed memory in gaps too small for
the next tensor. tests/bench/resident.py measures ten configurations, and says how far this estimate is off.
"""

from dataclasses import replace

from ..config import GPTConfig
from .activations import block_in_backward
from .budget import MemoryEstimate, check_countable, end_of_step, memory_of
from .formula import Formula, constant, symbol, total
from .workload import Workload, model_symbols, work_symbols

MEASURED_ON = "2 processors of AMD EPYC or Intel Xeon, Linux x86_64, torch 2.13.0, November 2026"
# Each figure below comes from processes of `python -m gpt.estimates.measured_process SETTINGS` on the first of them,
# where no other is named, which prints the most that it held, Linux's VmHWM, before the model was built and at the end.
# Tensors of 14 kB, {"config": {"vocab_size": 100, "emb_dim": 8, "n_heads": 1, "n_layers": 1, "context_length": 8},
# "workload": {"seq_len": 8}}, began with 237 MB and ended with 324 MB, and with 330 MB after a step of training.
_PROCESS_BYTES = 326 * 10**6
# The sixteen processes in tests/estimates/test_resident_memory.py held the above, their peak, and 0 to 8 % of it more
# where every activation is kept.
_GAPS_PERCENT = 5
# Freed activations are in use again only in part when a step ends: of those that a fuller end does not need, so much
# stays with the process. With this share, the twelve training processes of those sixteen and fifteen more, on an Intel
# Xeon, held between 6 % more and 6 % less than estimated; without it, up to 14 % more.
_STAYING_PERCENT = 60
# Where blocks are computed again, what they work in is freed between what is kept. Three of those four processes held
# 2.6 to 3.8 blocks beside their 5 %, the fourth, whose gaps came to 4 %, none.
_BLOCKS_OF_GAPS = 3
# glibc gives larger arrays back as soon as they are freed: DEFAULT_MMAP_THRESHOLD_MAX of mallopt(3), on 64 bits.
_MAPPED_BYTES = 32 * 2**20


def resident_peak(config: GPTConfig, workload: Workload) -> Formula | None:
    """Bytes a process holds at most that does this with gpt/model.py on a CPU; None for int8, which it does not do.

    Raises ValueError for an impossible workload.
    """
    memory = memory_of(config, workload)
    peak = symbol("peak", memory.peak)
    if workload.dtype == "int8":
        return None
    gaps = symbol(f"{_GAPS_PERCENT} % of it", peak.value * _GAPS_PERCENT // 100)
    staying = symbol("freed activations", _staying(config, workload, memory))
    blocks = _BLOCKS_OF_GAPS * symbol("one block", _freed_between(config, workload))
    whole = total(constant(_PROCESS_BYTES), peak, gaps, staying, blocks)
    check_countable(whole.value, "bytes")
    return whole.formula("resident", "bytes", f"measured on {MEASURED_ON}")


def _staying(config: GPTConfig, workload: Workload, memory: MemoryEstimate) -> int:
    """Bytes of activations that a process still holds at the end of a training step, beyond its peak."""
    if workload.mode == "inference":
        return 0
    staying = memory.activations * _STAYING_PERCENT // 100
    return max(0, end_of_step(config, workload, memory) + staying - memory.peak)


def _freed_between(config: GPTConfig, workload: Workload) -> int:
    """Bytes that one block works in and that stay with the process; 0 where nothing is computed again."""
    if workload.recompute == "none":
        return 0
    m, w = model_symbols(config), work_symbols(workload)
    if (w.b * m.h * w.s**2 * w.A).value >= _MAPPED_BYTES:
        config = replace(config, drop_rate_attn=0.0)  # without the attention weights
    return block_in_backward(config, workload, m, w).value

"""How fast a model can be at best on a machine: whichever takes longer, reading its bytes or doing its operations.

Williams et al. 2009, "Roofline". The machine's two rates are measured here.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import isfinite

import torch

from ..config import GPTConfig
from ..engine.compiled import wait_until_built
from ..engine.panel_layout import in_panels
from ..engine.product import product_by
from .formula import Formula, total
from .workload import Workload, model_symbols, work_symbols

_SOURCE = "every weight of a product is read once; of the embeddings only rows"
_READ_BYTES = 2**28  # far more than a processor's caches hold
_SIDE = 512  # of the matrices multiplied: quick enough to be done while nobody else computes
_SECONDS = 0.3  # of repetitions of each work

Work = Callable[[], object]


@dataclass(frozen=True)
class Rates:
    """What a machine reaches: bytes read from memory and operations, each a second."""

    bytes_per_second: float
    flops_per_second: float

    def __post_init__(self) -> None:
        for name, rate in vars(self).items():
            if not (isfinite(rate) and rate >= 1):  # so that every time is finite too
                raise ValueError(f"{name} is {rate}: it has to be a number of at least 1.")


@dataclass(frozen=True)
class Reading:
    """Bytes and operations of reading some tokens, and the seconds that they take at least."""

    bytes_read: Formula
    flops: Formula
    seconds: float
    bound_by: str  # "memory" or "arithmetic"


def next_token(config: GPTConfig, workload: Workload, rates: Rates) -> Reading:
    """Reading the last of seq_len tokens with a cache, in each sequence of the batch."""
    V, _, d, L, _, f = model_symbols(config)
    b, s, B, A = work_symbols(workload)
    weights = L * (4 * d**2 + 2 * d * f) + V * d
    bytes_read = weights * B + 2 * L * b * s * d * A
    flops = 2 * b * weights + 4 * b * L * s * d
    return _reading(bytes_read.formula("token", "bytes", _SOURCE), flops.formula("token", "FLOP", _SOURCE), rates)


def prompt(config: GPTConfig, workload: Workload, rates: Rates) -> Reading:
    """Reading a prompt of seq_len tokens up to the first new token: only the last one needs logits."""
    workload.check_fits(config)
    V, _, d, L, _, f = model_symbols(config)
    b, s, B, A = work_symbols(workload)
    blocks = L * (4 * d**2 + 2 * d * f)
    bytes_read = total((blocks + V * d) * B, 2 * L * b * s * d * A)
    flops = 2 * b * s * blocks + 4 * b * s**2 * L * d + 2 * b * V * d
    return _reading(bytes_read.formula("prompt", "bytes", _SOURCE), flops.formula("prompt", "FLOP", _SOURCE), rates)


def _reading(bytes_read: Formula, flops: Formula, rates: Rates) -> Reading:
    memory, arithmetic = bytes_read.value / rates.bytes_per_second, flops.value / rates.flops_per_second
    bound_by = "memory" if memory >= arithmetic else "arithmetic"
    return Reading(bytes_read, flops, max(memory, arithmetic), bound_by)


@torch.inference_mode()
def machine_rates(dtype: str = "float32") -> Rates:
    """This machine's rates with numbers of that format: the better of torch's and of this app's own products.

    It takes a second or two. What is read from memory is a vector to sum, and a weight to multiply by one row. torch
    has no product of int8 numbers: float32 stands for it.
    """
    kind = getattr(torch, dtype)
    return Rates(
        bytes_per_second=_READ_BYTES / _fastest(_reads()),
        flops_per_second=2 * _SIDE**3 / _fastest(_products(kind)),
    )


def _reads() -> Iterator[Work]:
    numbers = torch.ones(_READ_BYTES // 4)
    yield numbers.sum
    yield from _own_product(torch.float32, _READ_BYTES // 4 // _SIDE, 1)


def _products(kind: torch.dtype) -> Iterator[Work]:
    left, right = torch.ones(2, _SIDE, _SIDE, dtype=torch.float32 if kind is torch.int8 else kind)
    yield lambda: left @ right
    if kind is not torch.float16:  # which no model of this app is packed in
        yield from _own_product(kind, _SIDE, _SIDE)


def _own_product(kind: torch.dtype, out: int, n_rows: int) -> Iterator[Work]:
    library = wait_until_built()
    if library is None:
        return
    weight, scale = torch.ones(1, 1, dtype=kind).expand(out, _SIDE), torch.ones(in_panels(out))
    multiply, x = product_by(library, weight, scale, torch.get_num_threads()), torch.ones(n_rows, _SIDE)
    yield lambda: multiply(x)


def _fastest(works: Iterable[Work]) -> float:
    """The shortest of several repetitions of each in seconds: others may be busy on the machine."""
    shortest = float("inf")
    for work in works:
        work()
        end = time.perf_counter() + _SECONDS
        while shortest == float("inf") or time.perf_counter() < end:
            start = time.perf_counter()
            work()
            shortest = min(shortest, time.perf_counter() - start)
    return shortest

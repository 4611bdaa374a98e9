"""Products with a weight matrix in each number format, by the quickest operation that this machine and this torch have.

A single row goes to gpt/compiled.py first: torch's operations are made for many. Some here are private parts of torch:
each is tried once, and used only where it exists, computes what plain torch computes, and takes least time.
"""

import ctypes
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from . import compiled

Linear = Callable[[Tensor, Tensor, Tensor | None], Tensor]  # x (..., in), weight (out, in), bias (out,) -> (..., out)

Int8Linear = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]  # x, weight, scale (out,), bias -> (..., out)

_INT8_LEVELS = 127  # int8 values run from -127 to 127
_STEPS = 16383  # of a row's inputs; as in linear.h
# A weight that has to be made float32 first is taken in parts of so many rows, which the processor's caches hold.
_ROWS_AT_ONCE = 2048
# Large enough that reading it takes longer than calling the kernel.
_TRIAL_SHAPE = (4096, 768)
_TRIAL_ROWS = 64  # enough for a kernel without hardware of its own to be slower by far, at the busiest moment too
_TRIALS = 20


def linear_float32(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """F.linear, for reading only: the result has no gradient. x (..., in), weight (out, in) -> (..., out)."""
    if not x.is_cpu or x.dtype is not torch.float32 or x.numel() != weight.shape[1]:
        return F.linear(x, weight, bias)
    return _float32_row_kernel(weight.stride(0) == 1)(x, weight, bias)


def linear_bfloat16(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """F.linear in float32, of x (..., in) rounded to bfloat16 and a bfloat16 weight (out, in)."""
    return _bfloat16_kernel()(x, weight, bias)


def linear_int8(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    """F.linear of x (..., in), rounded by `to_steps`, and whole numbers weight (out, in), each row times its scale."""
    return _int8_kernel(compiled.compiled_library())(x, weight, scale, bias)


def to_steps(x: Tensor) -> Tensor:
    """x (..., n), each row in whole multiples of one step of its own: rows do not depend on one another."""
    step = (x.abs().amax(-1, keepdim=True) / _STEPS).clamp_min(torch.finfo(torch.float32).tiny)
    return (x / step).round_().mul_(step)


def to_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """weight (out, in) as whole numbers, and the scale (out,) that makes its largest absolute value in a row 127."""
    scale = weight.abs().amax(-1).clamp_min(torch.finfo(torch.float32).tiny) / _INT8_LEVELS
    return (weight / scale[:, None]).round_().to(torch.int8).contiguous(), scale


def _in_parts(x: Tensor, weight: Tensor) -> Tensor:
    """x (..., in) times weight (out, in), whose numbers are made float32 a part at a time."""
    return torch.cat([F.linear(x, part.float()) for part in weight.split(_ROWS_AT_ONCE)], -1)


# float32


@cache
def _float32_row_kernel(turned: bool) -> Linear:
    """For a single row, and a weight that lies in memory as (out, in) or, turned, as (in, out)."""
    weight = _sample(*_TRIAL_SHAPE[::-1]).t() if turned else _sample(*_TRIAL_SHAPE)
    kernels = [_by_parts, _onednn, F.linear]
    return _quickest(kernels, lambda kernel: partial(kernel, weight[:1].contiguous(), weight, None), tolerance=1e-5)


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _by_parts(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A part of the input features for each thread, so that every thread reads memory in one go."""
    in_features = weight.shape[1]
    parts = _divisor(in_features, torch.get_num_threads())
    products = torch.bmm(x.view(parts, 1, -1), weight.t().view(parts, in_features // parts, -1))
    y = products.sum(0).view(*x.shape[:-1], -1)
    return y if bias is None else y.add_(bias)


@cache
def _divisor(number: int, at_least: int) -> int:
    """The smallest divisor of number that is not below at_least."""
    return next(n for n in range(min(at_least, number), number + 1) if number % n == 0)


# bfloat16


@cache
def _bfloat16_kernel() -> Linear:
    weight = _sample(*_TRIAL_SHAPE[::-1]).bfloat16()
    x = _sample(_TRIAL_ROWS, _TRIAL_SHAPE[0])
    kernels = [_bfloat16_by_hardware, _bfloat16_by_float32]
    return _quickest(kernels, lambda kernel: partial(kernel, x, weight, None), tolerance=0.01)


def _bfloat16_by_hardware(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Rounds its result to bfloat16 too; on processors without such products far too slow to be chosen."""
    y = F.linear(x.bfloat16(), weight).float()
    return y if bias is None else y.add_(bias)


def _bfloat16_by_float32(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y = _in_parts(x.bfloat16().float(), weight)
    return y if bias is None else y.add_(bias)


# int8


@cache
def _int8_kernel(library: ctypes.CDLL | None) -> Int8Linear:
    weight, scale = to_int8(_sample(*_TRIAL_SHAPE[::-1]))
    x = _sample(_TRIAL_ROWS, _TRIAL_SHAPE[0])
    kernels: list[Int8Linear] = [_int8_by_float32]
    if library is not None:
        kernels.insert(0, partial(_int8_by_whole_numbers, library))
    return _quickest(kernels, lambda kernel: partial(kernel, x, weight, scale, None), tolerance=1e-5)


def _int8_by_whole_numbers(
    library: ctypes.CDLL, x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None
) -> Tensor:
    layer = compiled.linear(weight, bias, scale, rounds_input=True)
    if layer is None or x.dtype is not torch.float32:
        return _int8_by_float32(x, weight, scale, bias)
    return compiled.multiply_rows(library, layer, x.flatten(0, -2)).view(*x.shape[:-1], -1)


def _int8_by_float32(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    y = _in_parts(to_steps(x), weight).mul_(scale)
    return y if bias is None else y.add_(bias)


# Choosing


def _quickest(kernels: Sequence[Any], trial: Callable[[Any], Callable[[], Tensor]], tolerance: float) -> Any:
    """The kernel whose trial takes least time among those that agree with the last, which is plain torch."""
    expected = trial(kernels[-1])()
    runs = {}
    for kernel in kernels:
        try:
            run = trial(kernel)
            found = run()
        except (AttributeError, NotImplementedError, RuntimeError):
            continue  # this torch or this processor does not have it
        if torch.allclose(found, expected, rtol=tolerance, atol=tolerance * float(expected.abs().max())):
            runs[kernel] = run
    # In turns: a busy moment of the machine is longer than a few products, and would decide against one kernel alone.
    rounds = [[_seconds(run) for run in runs.values()] for _ in range(_TRIALS)]
    seconds = dict(zip(runs, map(min, zip(*rounds, strict=True)), strict=True))
    return min(seconds, key=seconds.__getitem__)


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _sample(rows: int, columns: int) -> Tensor:
    """Numbers in [-1, 1] for a trial, without touching the random state."""
    return torch.linspace(-1, 1, rows * columns).view(rows, columns)

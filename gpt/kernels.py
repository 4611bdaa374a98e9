"""Products with a weight matrix in each number format, by the quickest operation that this machine and this torch have.

Candidates are torch's operations, some of them private, and gpt/compiled.py's, to which a single row goes first: each
is tried once, and used only where it exists, computes what plain torch computes, and takes least time.
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
# Trials multiply one row or many with a weight as large as one of GPT-2's: reading it takes longer than any call.
_TRIAL_SHAPE = (3072, 768)
_TRIAL_ROWS = 16
_BFLOAT16_TRIAL_ROWS = 64  # so many are far slower without hardware for them, at the busiest moment too
_ROW_ROUNDS = 20
_ROUNDS = 5  # of many rows, which take longer


def linear_float32(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """F.linear, for reading only: the result has no gradient. x (..., in), weight (out, in) -> (..., out)."""
    if not x.is_cpu or x.dtype is not torch.float32:
        return F.linear(x, weight, bias)
    is_row = x.numel() == weight.shape[1]
    kernel = _float32_row_kernel(weight.stride(0) == 1) if is_row else _float32_kernel(compiled.compiled_library())
    return kernel(x, weight, bias)


def linear_bfloat16(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """F.linear in float32, of x (..., in) rounded to bfloat16 and a bfloat16 weight (out, in)."""
    return _bfloat16_kernel(compiled.compiled_library())(x, weight, bias)


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


def _by_tiles(library: ctypes.CDLL, layer: compiled.Linear, x: Tensor) -> Tensor:
    """The layer's outputs (..., out) for x (..., in), by compiled code."""
    return compiled.multiply_rows(library, layer, x.reshape(-1, x.shape[-1])).view(*x.shape[:-1], layer.out)


def _with_tiles(by_tiles: Any, library: ctypes.CDLL | None, others: Sequence[Any]) -> list[Any]:
    """Kernels to choose from: with a library, compiled code first."""
    return [*([] if library is None else [partial(by_tiles, library)]), *others]


# float32


@cache
def _float32_row_kernel(turned: bool) -> Linear:
    """For a single row, and a weight that lies in memory as (out, in) or, turned, as (in, out)."""
    weight = _sample(*_TRIAL_SHAPE[::-1]).t() if turned else _sample(*_TRIAL_SHAPE)
    kernels = [_by_parts, _onednn, F.linear]
    return _quickest(kernels, (weight[:1].contiguous(), weight, None), tolerance=1e-5, rounds=_ROW_ROUNDS)


@cache
def _float32_kernel(library: ctypes.CDLL | None) -> Linear:
    """For many rows; the weight lies as in OpenAI's files."""
    x, weight = _many_rows()
    kernels = _with_tiles(_float32_by_tiles, library, [F.linear])
    return _quickest(kernels, (x, weight.t().contiguous().t(), None), tolerance=1e-5)


def _float32_by_tiles(library: ctypes.CDLL, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    layer = compiled.linear(weight, bias)
    return F.linear(x, weight, bias) if layer is None else _by_tiles(library, layer, x)


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
def _bfloat16_kernel(library: ctypes.CDLL | None) -> Linear:
    x, weight = _many_rows(_BFLOAT16_TRIAL_ROWS)
    kernels = _with_tiles(_bfloat16_by_tiles, library, [_bfloat16_by_hardware, _bfloat16_by_float32])
    return _quickest(kernels, (x, weight.bfloat16(), None), tolerance=0.01)


def _bfloat16_by_tiles(library: ctypes.CDLL, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    layer = compiled.linear(weight, bias, rounds_input=True)
    return _bfloat16_by_float32(x, weight, bias) if layer is None else _by_tiles(library, layer, x)


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
    x, weight = _many_rows()
    whole, scale = to_int8(weight)
    kernels = _with_tiles(_int8_by_tiles, library, [_int8_by_float32])
    return _quickest(kernels, (x, whole, scale, None), tolerance=1e-5)


def _int8_by_tiles(library: ctypes.CDLL, x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    layer = compiled.linear(weight, bias, scale, rounds_input=True)
    in_pairs = weight.shape[1] % 2 == 0
    return _int8_by_float32(x, weight, scale, bias) if layer is None or not in_pairs else _by_tiles(library, layer, x)


def _int8_by_float32(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    y = _in_parts(to_steps(x), weight).mul_(scale)
    return y if bias is None else y.add_(bias)


# Choosing


def _quickest(kernels: Sequence[Any], arguments: tuple[Any, ...], tolerance: float, rounds: int = _ROUNDS) -> Any:
    """The kernel that takes least time, among those that agree with the last one, which is plain torch."""
    expected = kernels[-1](*arguments)
    able = []
    for kernel in kernels:
        try:
            found = kernel(*arguments)
        except (AttributeError, NotImplementedError, RuntimeError):
            continue  # this torch or this processor does not have it
        if torch.allclose(found, expected, rtol=tolerance, atol=tolerance * float(expected.abs().max())):
            able.append(kernel)
    # In turns: a busy moment of the machine is longer than a few products, and would decide against one kernel alone.
    seconds = [[_seconds(kernel, arguments) for kernel in able] for _ in range(rounds)]
    least = map(min, zip(*seconds, strict=True))
    return min(zip(least, range(len(able)), able, strict=True))[-1]


def _many_rows(n: int = _TRIAL_ROWS) -> tuple[Tensor, Tensor]:
    """n rows and a weight (out, in) for a trial of many."""
    return _sample(n, _TRIAL_SHAPE[1]), _sample(*_TRIAL_SHAPE)


def _seconds(kernel: Callable[..., object], arguments: tuple[Any, ...]) -> float:
    start = time.perf_counter()
    kernel(*arguments)
    return time.perf_counter() - start


def _sample(rows: int, columns: int) -> Tensor:
    """Numbers in [-1, 1] for a trial, without touching the random state."""
    return torch.linspace(-1, 1, rows * columns).view(rows, columns)

"""Products of a few rows with a large matrix, by the quickest kernel that this machine and this torch have.

The quick ones are private or deprecated parts of torch. Each is tried once, and used only where it exists, computes
what plain torch computes, and takes less time than the others.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Linear = Callable[[Tensor, Tensor, Tensor | None], Tensor]  # x (..., in), weight (out, in), bias (out,) -> (..., out)
Product = Callable[[Tensor, Tensor | None], Tensor]  # x (..., in), bias (out,) -> (..., out), with a packed weight
_Multiply = Callable[..., Tensor]  # x (..., in) and for int8 the step between its whole numbers -> (..., out)

_LEVELS = 127  # int8 values run from -127 to 127
# The largest number of int8 products whose float32 sum is exact: 1024 * 127 * 127 < 2^24.
_EXACT_TERMS = 1024
# Large enough that reading it takes longer than calling the kernel.
_TRIAL_SHAPE = (4096, 768)
_TRIALS = 20


def linear_float32(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """F.linear, for reading only: the result has no gradient. x (..., in), weight (out, in) -> (..., out)."""
    if x.dtype is not torch.float32 or not x.is_cpu:
        return F.linear(x, weight, bias)
    if x.numel() > weight.shape[1]:
        return _float32_kernel()(x, weight, bias)
    return _float32_row_kernel(weight.stride(0) == 1)(x, weight, bias)


def pack_bfloat16(weight: Tensor) -> Product:
    """weight (out, in) and every input rounded to bfloat16, products summed in float32 by the hardware."""
    multiply = _bfloat16_kernel()(weight.to(torch.bfloat16))

    def product(x: Tensor, bias: Tensor | None) -> Tensor:
        y = multiply(x.to(torch.bfloat16)).float()
        return y if bias is None else y.add_(bias)

    return product


def pack_int8(weight: Tensor) -> Product:
    """weight (out, in) as whole numbers with a scale per output feature; inputs likewise with a scale per row.

    The largest absolute value of a row becomes 127. As a row's scale is its own, no row depends on another.
    """
    largest = weight.abs().amax(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    whole = (weight * (_LEVELS / largest)).round_().to(torch.int8)
    multiply = _int8_kernel()(whole.contiguous(), largest.squeeze(-1) / _LEVELS)

    def product(x: Tensor, bias: Tensor | None) -> Tensor:
        if x.dim() == 1:
            return product(x[None], bias)[0]
        if x.numel() == x.shape[-1]:
            low, high = torch.aminmax(x)
            y = multiply(x, max(-low.item(), high.item()) / _LEVELS or 1.0)
        else:
            largest = x.abs().amax(-1, keepdim=True)
            # A row of zeros divided by 0 comes back as some finite number, and times 0 as zeros again.
            y = multiply(x / largest, 1 / _LEVELS).mul_(largest)
        return y if bias is None else y.add_(bias)

    return product


# float32


@cache
def _float32_kernel() -> Linear:
    weight = _sample(*_TRIAL_SHAPE)
    return _quickest([_onednn, F.linear], lambda kernel: partial(kernel, weight[:2], weight, None), tolerance=1e-5)


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


# bfloat16: weight (out, in) -> the product with it


@cache
def _bfloat16_kernel() -> Callable[[Tensor], _Multiply]:
    weight = _sample(*_TRIAL_SHAPE).to(torch.bfloat16)
    return _quickest([_pack_onednn, _pack_plain], lambda pack: partial(pack(weight), weight[:1]), tolerance=0.01)


def _pack_onednn(weight: Tensor) -> _Multiply:
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, 1)
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")


def _pack_plain(weight: Tensor) -> _Multiply:
    return lambda x: F.linear(x, weight)


# int8: whole numbers (out, in) and their scale (out,) -> the product with x (..., in), made whole by x / step


@cache
def _int8_kernel() -> Callable[[Tensor, Tensor], _Multiply]:
    weight = (_sample(*_TRIAL_SHAPE) * _LEVELS).round().to(torch.int8)
    weight[0] = _LEVELS  # the largest sums there are: some kernels overflow on older processors
    weight[1] = -_LEVELS
    x = torch.cat([torch.ones(1, _TRIAL_SHAPE[1]), _sample(1, _TRIAL_SHAPE[1])])
    kernels = [_pack_fbgemm, _pack_fbgemm_by_sign, _pack_int_mm, _pack_exact_sums]
    ones = torch.ones(_TRIAL_SHAPE[0])
    return _quickest(kernels, lambda pack: partial(pack(weight, ones), x, 1 / _LEVELS), tolerance=1e-6)


def _pack_fbgemm(whole: Tensor, scale: Tensor) -> _Multiply:
    packed = _fbgemm_weight(whole, scale)
    multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default
    # FBGEMM's inputs are unsigned: 128 stands for zero.
    return lambda x, step: multiply(x, step, _LEVELS + 1, packed)


def _pack_fbgemm_by_sign(whole: Tensor, scale: Tensor) -> _Multiply:
    """Without VNNI instructions a sum of two products has 16 bits: enough when inputs stay below 128."""
    packed = _fbgemm_weight(whole, scale)
    multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default

    def product(x: Tensor, step: float) -> Tensor:
        positive, negative = multiply(torch.stack([x.clamp_min(0), (-x).clamp_min(0)]), step, 0, packed)
        return positive.sub_(negative)

    return product


def _fbgemm_weight(whole: Tensor, scale: Tensor) -> torch.ScriptObject:
    engine = torch.backends.quantized.engine
    zero = torch.zeros(len(scale), dtype=torch.int64)
    torch.backends.quantized.engine = "fbgemm"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # quantized tensors are to leave torch; the other kernels do without
            quantized = torch._make_per_channel_quantized_tensor(whole, scale, zero, 0)
            return torch.ops.quantized.linear_prepack(quantized, None)
    finally:
        torch.backends.quantized.engine = engine


def _pack_int_mm(whole: Tensor, scale: Tensor) -> _Multiply:
    turned = whole.t()

    def product(x: Tensor, step: float) -> Tensor:
        total = torch._int_mm(_whole_rows(x, step), turned)
        return (total.float() * (scale * step)).unflatten(0, x.shape[:-1])

    return product


def _pack_exact_sums(whole: Tensor, scale: Tensor) -> _Multiply:
    """Plain torch: float32 products, in parts short enough to be exact."""

    def product(x: Tensor, step: float) -> Tensor:
        rows = _whole_rows(x, step).float()
        total = torch.zeros(len(rows), len(whole), dtype=torch.int32)
        for start in range(0, whole.shape[1], _EXACT_TERMS):
            part = slice(start, start + _EXACT_TERMS)
            total += F.linear(rows[:, part], whole[:, part].float()).int()
        return (total.float() * (scale * step)).unflatten(0, x.shape[:-1])

    return product


def _whole_rows(x: Tensor, step: float) -> Tensor:
    """x (..., in) as rows (n, in) of whole numbers of steps."""
    return (x / step).round().to(torch.int8).flatten(0, -2)


# Choosing


def _quickest(kernels: Sequence[Any], trial: Callable[[Any], Callable[[], Tensor]], tolerance: float) -> Any:
    """The kernel whose trial takes least time among those that agree with the last, which is plain torch."""
    expected = trial(kernels[-1])().float()
    runs = {}
    for kernel in kernels:
        try:
            run = trial(kernel)
            found = run().float()
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

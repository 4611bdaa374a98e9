"""The C files beside this one, compiled for the processor at hand when first needed; None where there is no compiler.

Hands tensors over as addresses: whoever calls keeps them alive, and reads nothing that is being written.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from ctypes import POINTER, Structure, byref, c_double, c_float, c_int, c_int32, c_int64, c_void_p
from functools import cache
from math import log
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

_log = logging.getLogger(__name__)

_FOLDER = Path(__file__).parent
_SOURCES = ("one_token.c", "many_rows.c", "logits.c")
_HEADERS = ("linear.h", "vectors.h")
_CPUINFO = Path("/proc/cpuinfo")
_COMPILERS = ("cc", "gcc", "clang")
_TIME_LIMIT_SECONDS = 60
# As in linear.h and one_token.c.
_FLOAT32_TURNED = 1
_PARTS = 8
# Sums may be taken in any order, so that they fit vectors; infinities and NaN keep their meaning.
_FLAGS = ["-O3", "-march=native", "-fPIC"]
_FLAGS += ["-fno-math-errno", "-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"]
# torch has brought its OpenMP along: linking another would make threads that fight with torch's over the processor.
# Where torch's does not fit the compiler, one thread does it all.
_COMPILATIONS: tuple[list[str], ...] = (["-fopenmp"], [])


class Linear(Structure):
    """A weight (out, in) with its numbers' format, as linear.h declares it; the structures below are one_token.c's."""

    _fields_ = (
        ("weight", c_void_p),
        ("scale", c_void_p),
        ("bias", c_void_p),
        ("out", c_int32),
        ("in", c_int32),
        ("format", c_int32),
        ("rounds_input", c_int32),
    )


class LayerNorm(Structure):
    _fields_ = (("scale", c_void_p), ("shift", c_void_p))


class TransformerBlock(Structure):
    _fields_ = (
        ("norm1", LayerNorm),
        ("norm2", LayerNorm),
        ("W_qkv", Linear),
        ("out_proj", Linear),
        ("widen", Linear),
        ("narrow", Linear),
    )


class GPTModel(Structure):
    _fields_ = (
        ("tok_emb", c_void_p),
        ("pos_emb", c_void_p),
        ("trf_blocks", POINTER(TransformerBlock)),
        ("final_norm", LayerNorm),
        ("n_layers", c_int32),
        ("n_heads", c_int32),
        ("d", c_int32),
        ("eps", c_float),
    )


class KVCache(Structure):
    _fields_ = (
        ("keys", c_void_p),
        ("values", c_void_p),
        ("capacity", c_int32),
        ("length", c_int32),
        ("is_bfloat16", c_int32),
    )


def linear(
    weight: Tensor, bias: Tensor | None, scale: Tensor | None = None, rounds_input: bool = False
) -> Linear | None:
    """A layer for compiled code, None for tensors that it cannot read.

    weight (out, in) is float32 (lying either way round), bfloat16 or int8; bias and scale (out,) are float32.
    A layer that rounds its inputs does so to bfloat16 or, beside an int8 weight, to steps as kernels.to_steps does.
    """
    number_format = _format(weight)
    if number_format is None or not all(each is None or readable(each) for each in (bias, scale)):
        return None
    return Linear(weight.data_ptr(), _address(scale), _address(bias), *weight.shape, number_format, rounds_input)


def multiply(library: ctypes.CDLL, layer: Linear, x: Tensor) -> Tensor:
    """The layer's output (..., out) for a single row x (..., in)."""
    x = x.contiguous()
    y = x.new_empty(*x.shape[:-1], layer.out)
    sums = room_for_sums(layer.out if layer.format == _FLOAT32_TURNED else 0)
    library.multiply(byref(layer), x.data_ptr(), y.data_ptr(), sums.data_ptr(), torch.get_num_threads())
    return y


def multiply_rows(library: ctypes.CDLL, layer: Linear, x: Tensor) -> Tensor:
    """The outputs (n, out) for x (n, in); an int8 layer is one that rounds its inputs, which are an even number."""
    x = x.contiguous()
    n_rows = len(x)
    y, rounded, steps = x.new_empty(n_rows, layer.out), torch.empty_like(x), x.new_empty(n_rows)
    where = x.data_ptr(), y.data_ptr(), n_rows, rounded.data_ptr(), steps.data_ptr()
    library.multiply_rows(byref(layer), *where, torch.get_num_threads())
    return y


def room_for_sums(n_outputs: int) -> Tensor:
    """Where a layer of so many outputs, whose weight lies as (in, out), adds up its parts."""
    return torch.empty(_PARTS, n_outputs)


def softmax_sums(library: ctypes.CDLL, logits: Tensor) -> tuple[float, float, float]:
    """The largest of logits (v,), the sum of e^(logit - largest), and that of each of these times (logit - largest)."""
    found = (c_double * 3)()
    library.softmax_sums(logits.data_ptr(), len(logits), found, torch.get_num_threads())
    return found[0], found[1], found[2]


def all_finite(library: ctypes.CDLL, logits: Tensor) -> bool:
    """Whether every one of logits (v,) is a finite number."""
    return bool(library.all_finite(logits.data_ptr(), len(logits)))


def top_k(library: ctypes.CDLL, logits: Tensor, k: int) -> Tensor:
    """The ids of the k largest logits (v,) and of all that are level with the k-th, in order."""
    ids = torch.empty(len(logits), dtype=torch.int64)
    largest = logits.new_empty(k)
    count = library.top_k(logits.data_ptr(), len(logits), k, largest.data_ptr(), ids.data_ptr())
    return ids[:count]


def before(library: ctypes.CDLL, logits: Tensor, token_id: int) -> int:
    """How many of logits (v,) come before that of token_id: larger ones, and equal ones of a lower id."""
    return library.before(logits.data_ptr(), len(logits), token_id)


def readable(tensor: Tensor) -> bool:
    """Whether the tensor is plain float32 numbers one after the other."""
    return tensor.dtype is torch.float32 and tensor.is_cpu and tensor.is_contiguous()


@cache
def compiled_library() -> ctypes.CDLL | None:
    """The compiled file, once it has shown that it computes what torch computes."""
    compiler = shlex.split(os.environ.get("CC", "")) or [name for name in _COMPILERS if shutil.which(name)][:1]
    if not compiler or not _is_little_endian_64_bit():
        return None
    for flags in _COMPILATIONS:
        try:
            library = _declared(_open(compiler, [*_FLAGS, *flags]))
        except (OSError, subprocess.SubprocessError) as error:
            _log.debug("%s with %s: %s", compiler[0], flags, error)
            continue
        if _computes_what_torch_computes(library):
            return library
    _log.warning("%s did not make what was expected of %s: text will come slower.", compiler[0], ", ".join(_SOURCES))
    return None


def _open(compiler: list[str], flags: list[str]) -> ctypes.CDLL:
    """The library compiled with these flags, by now or by an earlier process."""
    sources = [(_FOLDER / name).read_text(encoding="utf-8") for name in (*_SOURCES, *_HEADERS)]
    key = "\0".join([*sources, *compiler, *flags, _processor()])
    name = f"compiled-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    kept = _FOLDER / "__pycache__" / name
    if kept.is_file():
        return ctypes.CDLL(str(kept))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / name
        _compile(compiler, flags, made)
        library = ctypes.CDLL(str(made))
        _keep(made, kept)
    return library


def _compile(compiler: list[str], flags: list[str], library: Path) -> None:
    objects = [str(library.with_name(f"{name}.o")) for name in _SOURCES]
    steps = [[*flags, "-c", str(_FOLDER / name), "-o", made] for name, made in zip(_SOURCES, objects, strict=True)]
    # A step of its own: without -fopenmp it leaves OpenMP's functions to be found in the process.
    steps.append(["-shared", *objects, "-o", str(library), "-lm"])
    for step in steps:
        subprocess.run([*compiler, *step], check=True, capture_output=True, timeout=_TIME_LIMIT_SECONDS)


def _keep(made: Path, kept: Path) -> None:
    """For later processes, where the folder may be written to; never half a file."""
    unfinished = kept.with_name(f"{kept.name}.{os.getpid()}.unfinished")
    try:
        kept.parent.mkdir(exist_ok=True)
        shutil.copyfile(made, unfinished)
        os.replace(unfinished, kept)
    except OSError as error:
        _log.debug("%s is not kept: %s", kept, error)


def _processor() -> str:
    """What the processor can do: code compiled on one need not run on another."""
    if _CPUINFO.exists():
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
        return "".join(sorted({line for line in lines if line.lower().startswith(("flags", "features", "model name"))}))
    return platform.machine() + platform.processor()


def _is_little_endian_64_bit() -> bool:
    return ctypes.sizeof(c_void_p) == 8 and sys.byteorder == "little"


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    library.multiply.argtypes = [c_void_p, c_void_p, c_void_p, c_void_p, c_int]
    library.multiply_rows.argtypes = [c_void_p, c_void_p, c_void_p, c_int, c_void_p, c_void_p, c_int]
    library.read_token.argtypes = [c_void_p, c_void_p, c_int64, c_void_p, c_void_p, c_int]
    library.softmax_sums.argtypes = [c_void_p, c_int, c_void_p, c_int]
    library.all_finite.argtypes = [c_void_p, c_int]
    library.top_k.argtypes = [c_void_p, c_int, c_int, c_void_p, c_void_p]
    library.before.argtypes = [c_void_p, c_int, c_int]
    for function in (library.multiply, library.multiply_rows, library.read_token, library.softmax_sums):
        function.restype = None
    library.all_finite.restype = library.top_k.restype = library.before.restype = c_int
    return library


def _computes_what_torch_computes(library: ctypes.CDLL) -> bool:
    return all(
        found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-4, atol=1e-3)
        for found, expected in _trials(library)
    )


def _trials(library: ctypes.CDLL) -> Iterator[tuple[Tensor, Tensor]]:
    """Products in every format and the largest of some numbers, with sizes that no vector divides: by both."""
    rows, columns = 131, 78
    numbers = torch.linspace(-9, 9, rows * columns).sin()  # without touching the random state
    weight, x, scale = numbers.view(rows, columns), numbers[:columns].contiguous(), numbers[:rows].contiguous()
    whole = (100 * weight).to(torch.int8)
    for each in (weight, weight.t().contiguous().t(), weight.bfloat16(), whole):
        layer = linear(each, scale, scale, rounds_input=each is whole)
        assert layer is not None
        yield multiply(library, layer, x), F.linear(x, each.float()) * scale + scale
        yield multiply_rows(library, layer, weight), F.linear(weight, each.float()) * scale + scale
    largest, total, _ = softmax_sums(library, x)
    yield torch.tensor(largest + log(total)), x.logsumexp(0)
    yield top_k(library, x, 5), x.topk(5).indices.sort().values


def _format(weight: Tensor) -> int | None:
    """Its number in one_token.c, None for a weight that is kept in another way."""
    if not weight.is_cpu or weight.dim() != 2:
        return None
    if weight.dtype is torch.float32 and weight.t().is_contiguous() and not weight.is_contiguous():
        return _FLOAT32_TURNED
    formats = {torch.float32: 0, torch.bfloat16: 2, torch.int8: 3}
    return formats.get(weight.dtype) if weight.is_contiguous() else None


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()

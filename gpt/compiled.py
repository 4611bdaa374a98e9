"""one_token.c, compiled for the processor at hand when it is first needed; None where there is no C compiler.

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
from ctypes import POINTER, Structure, byref, c_float, c_int, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

_log = logging.getLogger(__name__)

_SOURCE = Path(__file__).with_name("one_token.c")
_CPUINFO = Path("/proc/cpuinfo")
_COMPILERS = ("cc", "gcc", "clang")
_TIME_LIMIT_SECONDS = 60
# As in one_token.c.
_FLOAT32_TURNED = 1
_PARTS = 8
# Sums may be taken in any order, so that they fit vectors; infinities and NaN keep their meaning.
_FLAGS = ["-O3", "-march=native", "-fPIC"]
_FLAGS += ["-fno-math-errno", "-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"]
# torch has brought its OpenMP along: linking another would make threads that fight with torch's over the processor.
# Where torch's does not fit the compiler, one thread does it all.
_COMPILATIONS: tuple[list[str], ...] = (["-fopenmp"], [])


class Linear(Structure):
    """A weight (out, in) with its numbers' format, as one_token.c declares it; so are the structures below."""

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
    """A layer for one_token.c, None for tensors that it cannot read.

    weight (out, in) is float32 (lying either way round), bfloat16 or int8; bias and scale (out,) are float32.
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


def room_for_sums(n_outputs: int) -> Tensor:
    """Where a layer of so many outputs, whose weight lies as (in, out), adds up its parts."""
    return torch.empty(_PARTS, n_outputs)


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
    _log.warning("%s did not make %s into what was expected: text will come slower.", compiler[0], _SOURCE.name)
    return None


def _open(compiler: list[str], flags: list[str]) -> ctypes.CDLL:
    """The library compiled with these flags, by now or by an earlier process."""
    key = "\0".join([_SOURCE.read_text(encoding="utf-8"), *compiler, *flags, _processor()])
    name = f"{_SOURCE.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    kept = _SOURCE.parent / "__pycache__" / name
    if kept.is_file():
        return ctypes.CDLL(str(kept))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / name
        _compile(compiler, flags, made)
        library = ctypes.CDLL(str(made))
        _keep(made, kept)
    return library


def _compile(compiler: list[str], flags: list[str], library: Path) -> None:
    half_way = library.with_suffix(".o")
    # In two steps: the second, without -fopenmp, leaves OpenMP's functions to be found in the process.
    for command in ([*flags, "-c", str(_SOURCE), "-o", str(half_way)], ["-shared", str(half_way), "-o", str(library)]):
        subprocess.run([*compiler, *command, "-lm"], check=True, capture_output=True, timeout=_TIME_LIMIT_SECONDS)


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
    library.read_token.argtypes = [c_void_p, c_void_p, c_int64, c_void_p, c_void_p, c_int]
    library.multiply.restype = library.read_token.restype = None
    return library


def _computes_what_torch_computes(library: ctypes.CDLL) -> bool:
    return all(torch.allclose(found, expected, rtol=1e-4, atol=1e-3) for found, expected in _trials(library))


def _trials(library: ctypes.CDLL) -> Iterator[tuple[Tensor, Tensor]]:
    """Products in every format, with sizes that no vector divides, by the library and by torch."""
    rows, columns = 131, 77
    numbers = torch.linspace(-9, 9, rows * columns).sin()  # without touching the random state
    weight, x, scale = numbers.view(rows, columns), numbers[:columns].contiguous(), numbers[:rows].contiguous()
    whole = (100 * weight).to(torch.int8)
    for each in (weight, weight.t().contiguous().t(), weight.bfloat16(), whole):
        layer = linear(each, scale, scale)
        assert layer is not None
        yield multiply(library, layer, x), F.linear(x, each.float()) * scale + scale


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

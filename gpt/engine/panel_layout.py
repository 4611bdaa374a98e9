"""Weights in panels, as the compiled library reads them: 32 outputs side by side for every input.

int8 numbers lie in pairs of inputs. c/engine.h says exactly how.
"""

import mmap
from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .compiled import Library

PANEL = 32
_HUGE_PAGE = 2**21

_memories: WeakValueDictionary[int, mmap.mmap] = WeakValueDictionary()  # by address


def in_panels(n: int) -> int:
    """n, rounded up to whole panels."""
    return -(-n // PANEL) * PANEL


def panels_shape(out: int, n_in: int, dtype: torch.dtype) -> tuple[int, ...]:
    """The shape of a weight (out, in) in panels: (out / 32, in, 32), or (out / 32, in / 2, 32, 2) for int8."""
    together = _together(dtype)
    return (in_panels(out) // PANEL, -(-n_in // together), PANEL) + ((together,) if together > 1 else ())


def _together(dtype: torch.dtype) -> int:
    return 2 if dtype is torch.int8 else 1


def to_panels(weight: Tensor, library: "Library | None") -> Tensor:
    """A weight (out, in) of float32, bfloat16 or int8 numbers as panels; what a last panel or pair lacks is 0."""
    out, n_in = weight.shape
    shape = panels_shape(out, n_in, weight.dtype)
    panels = empty_in_huge_pages(shape, weight.dtype)
    if library is None or not weight.is_cpu:
        together = _together(weight.dtype)
        padded = weight.new_zeros(shape[0] * PANEL, shape[1] * together)
        padded[:out, :n_in] = weight
        panels.view(shape[0], shape[1], PANEL, together).copy_(
            padded.view(shape[0], PANEL, shape[1], together).transpose(1, 2)
        )
        return panels
    pack, kind = {
        torch.float32: (library.c.pack_float32, "float *"),
        torch.bfloat16: (library.c.pack_bfloat16, "uint16_t *"),
        torch.int8: (library.c.pack_int8, "int8_t *"),
    }[weight.dtype]
    steps = weight.stride()
    pack(library.pointer(panels, kind), library.pointer(weight, kind), *steps, out, n_in, torch.get_num_threads())
    return panels


def from_panels(panels: Tensor, out: int, n_in: int) -> Tensor:
    """The weight (out, in) that `to_panels` was given."""
    pairs = panels if panels.dim() == 4 else panels[..., None]
    return pairs.transpose(1, 2).reshape(len(pairs) * PANEL, -1)[:out, :n_in]


def empty_in_huge_pages(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Memory in pages of 2 MB where the system has them: weights are read a third faster than in small ones."""
    n_bytes = prod(shape) * dtype.itemsize
    is_large = n_bytes >= 2 * _HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE")
    private: Any = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
    memory: Any = mmap.mmap(-1, n_bytes + (_HUGE_PAGE if is_large else 0), **private)
    # The tensor keeps the mapping.
    whole = torch.frombuffer(memory, dtype=torch.uint8)
    _memories[whole.data_ptr()] = memory
    start = -whole.data_ptr() % _HUGE_PAGE if is_large else 0
    if is_large:  # asking has to come before the first write
        with suppress(OSError):  # a kernel without huge pages: nothing is lost
            memory.madvise(mmap.MADV_HUGEPAGE, start, n_bytes)
    return whole[start : start + n_bytes].view(dtype).view(shape)


def memory_of(tensor: Tensor) -> object | None:
    """The memory of a tensor made here: whoever holds it keeps the numbers in place. None for any other tensor.

    A tensor's storage can be emptied, and its numbers moved, while others still hold the tensor.
    """
    memory: object | None = _memories.get(tensor.untyped_storage().data_ptr())
    return memory

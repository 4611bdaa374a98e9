"""One product of the compiled library on its own: to check what it computes, and to measure how fast it is.

Models are read whole passes at a time, by `gpt.engine.compiled_pass`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .panel_layout import in_panels, to_panels

if TYPE_CHECKING:
    from .compiled import Library

_FORMATS = (torch.float32, torch.bfloat16, torch.int8)  # enum format of c/product.h, in its order
_AS_IT_IS, _TO_STEPS = 0, 2  # enum rounding


def product_by(library: "Library", weight: Tensor, scale: Tensor, n_threads: int = 1) -> Callable[[Tensor], Tensor]:
    """A function x (n, in) -> y (n, out), float32, that multiplies by weight (out, in) and adds `scale`.

    weight holds float32, bfloat16 or int8 numbers. scale (out in whole panels,) is also the factor of an int8 weight's
    outputs.
    """
    out, n_in = weight.shape
    panels = to_panels(weight, library)
    linear = library.ffi.new("Linear *")
    linear.panels, linear.scale, linear.bias = library.pointer(panels), *[library.pointer(scale, "float *")] * 2
    linear.out, linear.format = out, _FORMATS.index(weight.dtype)
    linear.rounding = _TO_STEPS if weight.dtype is torch.int8 else _AS_IT_IS
    setattr(linear, "in", n_in)

    def multiply(x: Tensor) -> Tensor:
        assert len(panels) and len(scale)  # kept here: `linear` holds no more than their addresses
        y = torch.empty(len(x), in_panels(out))
        room = torch.empty(library.c.room_to_multiply(linear, len(x)) + 64, dtype=torch.uint8)
        aligned = room[-room.data_ptr() % 64 :]
        where = library.pointer(x, "float *"), len(x), library.pointer(y, "float *"), library.pointer(aligned)
        library.c.multiply(linear, *where, n_threads)
        return y[:, :out]

    return multiply

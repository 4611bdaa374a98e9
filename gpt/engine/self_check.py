"""What a freshly opened library has to show: that it computes what torch computes.

The sizes are such that no vector, panel or pair divides them.
"""

from collections.abc import Iterator
from math import log
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from .panel_layout import in_panels
from .product import product_by

if TYPE_CHECKING:
    from .compiled import Library

_ROWS, _OUT, _IN = 14, 70, 37  # more rows than a tile has, a last panel that is not full, an odd number of inputs


def first_difference(library: "Library") -> str:
    """What the library computes wrongly; "" if nothing is wrong."""
    if _fuses(library):
        return "a product and a sum, rounded once instead of twice (the compiler ignores -ffp-contract=off)"
    for what, found, expected in _trials(library):
        if not torch.allclose(found, expected, rtol=1e-4, atol=1e-3):
            return what
    return ""


def _trials(library: "Library") -> Iterator[tuple[str, Tensor, Tensor]]:
    """What is tried, what the library makes of it, and what torch does."""
    numbers = torch.linspace(-9, 9, _OUT * _IN).sin()  # without touching the random state
    weight, x = numbers.view(_OUT, _IN), numbers[: _ROWS * _IN].view(_ROWS, _IN).contiguous()
    scale = torch.zeros(in_panels(_OUT))
    scale[:_OUT] = numbers[:_OUT]
    whole = (100 * weight).to(torch.int8)
    for each in (weight, weight.bfloat16(), whole):
        expected = F.linear(x, each.float())
        if each is whole:
            expected = expected * scale[:_OUT]
        yield f"a product in {each.dtype}", product_by(library, each, scale)(x), expected + scale[:_OUT]
    found = library.ffi.new("double[3]")
    library.c.softmax_sums(library.pointer(numbers, "float *"), len(numbers), found)
    yield "a softmax", torch.tensor(found[0] + log(found[1])), numbers.logsumexp(0)


def _fuses(library: "Library") -> bool:
    """Whether the compiler makes one operation of two: bits would depend on where it does."""
    # The square of 1 + 2^-12 rounds to 1 + 2^-11; what is rounded off is 2^-24.
    return bool(library.c.times_plus(1 + 2**-12, 1 + 2**-12, -1 - 2**-11) != 0)

"""Where the panels of a float32 weight come from: an earlier snapshot, the weight's file, or the weight itself.

A model with a part switched off shares all other weights with the model it comes from: it shares their panels too.
"""

from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from .compiled import Library
from .fingerprint import SAMPLES_OF_FILE, Glance, glance, sample
from .panel_layout import to_panels

_TRIED = 4096  # numbers of a weight that are looked at before all of them are

# Weights of files: how to read them once more when they are packed, and what they were like when they were loaded.
_files = WeakTensorKeyDictionary()
_panels_of = WeakTensorKeyDictionary()


def packed_from(weight: Tensor, read_again: Callable[[], Tensor | None]) -> None:
    """Have a weight read from its file once more when it is packed, as long as it is still that of the file.

    The model's own weight is a mapping of the file: pages that nobody touches take no memory.
    """
    _files[weight] = read_again, glance(weight, SAMPLES_OF_FILE)


def weights_of_files() -> Iterable[Tensor]:
    """The weights that `packed_from` was told of and that are still in use."""
    return cast(Iterable[Tensor], _files)


def weight_panels(weight: Tensor, library: Library) -> Tensor:
    """A weight (out, in) in panels, of bfloat16 numbers if that is exact.

    They are the same panels as before if nobody has written to the weight since.
    """
    now = glance(weight, SAMPLES_OF_FILE) if weight in _files else glance(weight)
    found: tuple[Glance, Tensor] | None = _panels_of.get(weight)
    if found is None or found[0] != now:
        found = now, to_panels(_in_fewest_bytes(_from_file(weight)), library)
        _panels_of[weight] = found
    return found[1]


def _from_file(weight: Tensor) -> Tensor:
    """The same numbers from a mapping of their own, which goes when they are packed; weight where they changed."""
    numbers = weight.detach()
    read_again, before = _files.get(weight, (lambda: None, ()))
    if before != glance(weight, SAMPLES_OF_FILE):
        return numbers
    try:
        again = read_again()
    except Exception:  # whatever has happened to the file: the weight is still here
        return numbers
    if again is None or again.shape != weight.shape or again.stride() != weight.stride():
        return numbers
    return again if sample(again, SAMPLES_OF_FILE) == sample(weight, SAMPLES_OF_FILE) else numbers


def _in_fewest_bytes(weight: Tensor) -> Tensor:
    """The weight in bfloat16 if all its numbers are bfloat16 ones: half the bytes to read, and the same products."""
    if not _is_bfloat16(weight[: max(1, _TRIED // weight.shape[1])]):
        return weight
    return weight.bfloat16() if _is_bfloat16(weight) else weight


def _is_bfloat16(weight: Tensor) -> bool:
    return torch.equal(weight.bfloat16().float(), weight)

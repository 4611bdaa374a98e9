"""What the decoding loop asks of the logits of one place, for every token it writes.

The compiled library answers where it can: torch would write several tensors as long as the vocabulary each time.
"""

from math import log

import torch
from torch import Tensor

from .compiled import Library, compiled_library

# Compiled code keeps the largest in order, one by one: too slow for many.
_MOST_IN_ORDER = 256


def softmax_sums(logits: Tensor) -> tuple[float, float, float]:
    """The largest of logits (v,), ln of the sum of e^(logit - largest), and the entropy of their softmax in bits.

    The ln of a softmax is logit - largest - that logarithm, in this order: the sum of the two may be beyond float64.
    """
    library = _library_for(logits)
    largest, total, products = _sums(library, logits) if library else _sums_by_torch(logits)
    return largest, log(total), max(0.0, (log(total) - products / total) / log(2))


def softmax(scores: Tensor, temperature: float) -> Tensor:
    """The softmax (n,) of float64 scores (n,) divided by a temperature above 0."""
    library = compiled_library()
    if library is None or not (scores.dtype is torch.float64 and scores.is_cpu and scores.is_contiguous()):
        # The largest is taken off before dividing: with a tiny temperature the quotient would overflow.
        return ((scores - scores.max()) / temperature).softmax(0)
    probabilities = torch.empty_like(scores)
    where = (library.pointer(each, "double *") for each in (scores, probabilities))
    given, made = where
    library.c.softmax(given, len(scores), temperature, made)
    return probabilities


def all_finite(logits: Tensor) -> bool:
    """Whether every one of logits (v,) is a finite number."""
    library = _library_for(logits)
    if library is None:
        return bool(logits.isfinite().all())
    return bool(library.c.all_finite(library.pointer(logits, "float *"), len(logits)))


def rank(logits: Tensor, token_id: int) -> int:
    """1 for the likeliest token of logits (v,); of equal logits the lower id comes first.

    Raises IndexError for an id that they lack.
    """
    if not 0 <= token_id < len(logits):
        raise IndexError(f"{token_id} is not an id: there are {len(logits)} logits.")
    library = _library_for(logits)
    if library is None:
        return 1 + _before_by_torch(logits, token_id)
    return 1 + int(library.c.before(library.pointer(logits, "float *"), len(logits), token_id))


def top_k(logits: Tensor, k: int) -> Tensor:
    """The ids of the k largest of logits (v,) and of all that are equal to the k-th, in order.

    Raises ValueError unless 0 < k <= v.
    """
    if not 0 < k <= len(logits):
        raise ValueError(f"{k} of {len(logits)} logits cannot be the largest: choose 1 or more of them.")
    library = _library_for(logits) if k <= _MOST_IN_ORDER else None
    if library is None:
        return _top_k_by_torch(logits, k)
    ids, largest = torch.empty(len(logits), dtype=torch.int64), logits.new_empty(k)
    where = library.pointer(largest, "float *"), library.pointer(ids, "int64_t *")
    return ids[: library.c.top_k(library.pointer(logits, "float *"), len(logits), k, *where)]


def _library_for(logits: Tensor) -> Library | None:
    is_plain = logits.dtype is torch.float32 and logits.is_cpu and logits.is_contiguous()
    return compiled_library() if is_plain else None


def _sums(library: Library, logits: Tensor) -> tuple[float, float, float]:
    found = library.ffi.new("double[3]")
    library.c.softmax_sums(library.pointer(logits, "float *"), len(logits), found)
    return found[0], found[1], found[2]


def _sums_by_torch(logits: Tensor) -> tuple[float, float, float]:
    scores = logits.double()
    largest = scores.max()
    below = scores - largest
    powers = below.exp()
    return float(largest), float(powers.sum()), float(powers @ below)


def _before_by_torch(logits: Tensor, token_id: int) -> int:
    logit = logits[token_id]
    return int((logits > logit).count_nonzero()) + int((logits[:token_id] == logit).count_nonzero())


def _top_k_by_torch(logits: Tensor, k: int) -> Tensor:
    if k == len(logits):
        return torch.arange(k)
    largest, order = logits.topk(k + 1)
    # Looking for all that are equal to the k-th is slow, and seldom needed.
    tie = bool(largest[-1] == largest[-2])
    return (logits >= largest[-2]).nonzero().flatten() if tie else order[:-1].sort().values

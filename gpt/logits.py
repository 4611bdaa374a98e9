"""What the decoding loop asks of the logits of one place, for every token it writes.

Compiled code answers where it can: torch would write half a dozen tensors as long as the vocabulary each time.
"""

import ctypes
from math import log

from torch import Tensor

from . import compiled

# Compiled code keeps the largest in order, one by one: too slow for many.
_MOST_IN_ORDER = 256


def softmax_sums(logits: Tensor) -> tuple[float, float]:
    """ln of the softmax's denominator, and the entropy in bits, of logits (v,).

    Entropy in nats is that logarithm minus the mean logit under the softmax.
    """
    library = _library_for(logits)
    largest, total, products = compiled.softmax_sums(library, logits) if library else _softmax_sums(logits)
    log_total = log(total)
    return largest + log_total, max(0.0, (log_total - products / total) / log(2))


def all_finite(logits: Tensor) -> bool:
    """Whether every one of logits (v,) is a finite number."""
    library = _library_for(logits)
    return compiled.all_finite(library, logits) if library else bool(logits.isfinite().all())


def rank(logits: Tensor, token_id: int) -> int:
    """1 for the likeliest token of logits (v,); of equal logits the lower id comes first."""
    library = _library_for(logits)
    return 1 + (compiled.before(library, logits, token_id) if library else _before(logits, token_id))


def top_k(logits: Tensor, k: int) -> Tensor:
    """The ids of the k largest of logits (v,) and of all that are level with the k-th, in order; 0 < k < v."""
    library = _library_for(logits) if k <= _MOST_IN_ORDER else None
    return compiled.top_k(library, logits, k) if library else _top_k(logits, k)


def _library_for(logits: Tensor) -> ctypes.CDLL | None:
    return compiled.compiled_library() if compiled.readable(logits) else None


def _softmax_sums(logits: Tensor) -> tuple[float, float, float]:
    scores = logits.double()
    largest = scores.max()
    below = scores - largest
    powers = below.exp()
    return float(largest), float(powers.sum()), float(powers @ below)


def _before(logits: Tensor, token_id: int) -> int:
    logit = logits[token_id]
    return int((logits > logit).count_nonzero()) + int((logits[:token_id] == logit).count_nonzero())


def _top_k(logits: Tensor, k: int) -> Tensor:
    largest, order = logits.topk(k + 1)
    # Looking for all that are level with the k-th is slow, and seldom needed.
    tie = bool(largest[-1] == largest[-2])
    return (logits >= largest[-2]).nonzero().flatten() if tie else order[:-1].sort().values

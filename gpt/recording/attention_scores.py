"""Attention, one query and one key at a time: from two vectors to a weight, out of what the lines made.

Axes: t tokens that look, s tokens looked at, h heads.
"""

from dataclasses import dataclass
from typing import cast

from torch import Tensor

from ..model import GPTModel, TransformerBlock
from .recorder import Recording


@dataclass(frozen=True, eq=False)
class HeadScores:
    """What one head did with every pair of tokens, step by step as attention_weights does it."""

    queries: Tensor  # (t, head_dim)
    keys: Tensor  # (s, head_dim)
    divisor: float
    products: Tensor  # (t, s): queries times keys
    scaled: Tensor  # (t, s): divided by the divisor
    masked: Tensor  # (t, s): -inf for tokens still to come
    weights: Tensor  # (t, s): softmax, every row sums to 1


def head_scores(model: GPTModel, recording: Recording, head: int) -> HeadScores:
    """The steps of one head of the recorded block of a model. Raises ValueError when there is no such head."""
    divisor = cast(TransformerBlock, model.trf_blocks[recording.block]).att.divisor
    (call,) = recording.calls_of("attention_weights")
    n_heads = call.arguments["queries"].shape[1]
    if not 0 <= head < n_heads:
        raise ValueError(f"head is {head}: this model's heads run from 0 to {n_heads - 1}.")
    products, scaled, masked = (scores[0, head] for scores in call.values("scores"))
    queries, keys = (call.arguments[name][0, head] for name in ("queries", "keys"))
    return HeadScores(queries, keys, divisor, products, scaled, masked, call.returned[0, head])

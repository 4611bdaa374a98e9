"""Section 4.2: the chapter's own 2 x 5 example, and rows of numbers before and after they are normalized.

Axes: t tokens, d features of a row.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..model import LayerNorm


@dataclass(frozen=True, eq=False)
class NormalizedRows:
    """Rows x (t, d), the same rows as (x - mean) / sqrt(variance + eps), and figures of both, each (t, 1)."""

    x: Tensor
    mean: Tensor
    biased_variance: Tensor  # divided by d
    unbiased_variance: Tensor  # divided by d - 1
    normalized: Tensor  # (t, d)
    normalized_mean: Tensor
    normalized_biased_variance: Tensor
    normalized_unbiased_variance: Tensor


def normalize_rows(x: Tensor, eps: float = LayerNorm.eps, unbiased: bool = False) -> NormalizedRows:
    """Normalize each row of x (t, d) by its biased variance, as LayerNorm does, or by its unbiased one.

    Raises ValueError for a negative eps.
    """
    if not eps >= 0:
        raise ValueError(f"eps is {eps}: choose a number of 0 or more.")
    biased, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
    unbiased_variance = x.var(dim=-1, keepdim=True)
    normalized = (x - mean) / torch.sqrt((unbiased_variance if unbiased else biased) + eps)
    biased_after, mean_after = torch.var_mean(normalized, dim=-1, correction=0, keepdim=True)
    return NormalizedRows(
        x=x,
        mean=mean,
        biased_variance=biased,
        unbiased_variance=unbiased_variance,
        normalized=normalized,
        normalized_mean=mean_after,
        normalized_biased_variance=biased_after,
        normalized_unbiased_variance=normalized.var(dim=-1, keepdim=True),
    )


def chapter_example() -> tuple[Tensor, Tensor]:
    """The chapter's two training examples (2, 5), and the output of its linear layer with ReLU (2, 6).

    The same numbers as after torch.manual_seed(123), drawn from a separate generator.
    """
    generator = torch.Generator().manual_seed(123)
    batch = torch.randn(2, 5, generator=generator)
    # nn.Linear(5, 6) fills first weight, then bias, with uniform numbers between ±1 / sqrt(5).
    weight, bias = torch.empty(6, 5), torch.empty(6)
    nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator)
    nn.init.uniform_(bias, -(5**-0.5), 5**-0.5, generator=generator)
    return batch, F.relu(F.linear(batch, weight, bias))

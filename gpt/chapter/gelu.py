"""Section 4.3: GELU in both forms beside ReLU, with their derivatives, over any range."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class Curve:
    """An activation function over x: its values and its derivative, (n,) each."""

    value: Tensor
    derivative: Tensor


@dataclass(frozen=True, eq=False)
class ActivationCurves:
    """GELU in both forms and ReLU over the same x (n,), in float64."""

    x: Tensor
    exact: Curve  # x times the normal distribution's cumulative probability at x
    tanh: Curve  # the approximation GPT-2 was trained with
    relu: Curve

    @property
    def difference(self) -> Tensor:
        """The tanh form minus the exact one, (n,)."""
        return self.tanh.value - self.exact.value


def activation_curves(low: float = -4.0, high: float = 4.0, n: int = 401) -> ActivationCurves:
    """GELU (exact and tanh) and ReLU at n even steps from low to high. Raises ValueError for an empty range."""
    if not low < high:
        raise ValueError(f"The range runs from {low} to {high}: choose a lower end below the upper end.")
    x = torch.linspace(low, high, n, dtype=torch.float64)
    return ActivationCurves(
        x=x,
        exact=_curve(F.gelu, x),
        tanh=_curve(lambda x: F.gelu(x, approximate="tanh"), x),
        relu=_curve(F.relu, x),
    )


def _curve(function: Callable[[Tensor], Tensor], x: Tensor) -> Curve:
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        value = function(x)
        (derivative,) = torch.autograd.grad(value.sum(), x)
    return Curve(value.detach(), derivative)

"""The chapter's small experiments: GELU beside ReLU and the feed-forward network (4.3), the text loop (4.7).

Axes: t tokens, d emb_dim, 4d inner neurons, v vocab_size.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from .generation import checked_ids
from .model import GPTModel, TransformerBlock
from .sampling import Sampling, TokenTable, token_table
from .tracing import Trace

_UNCHANGED = Sampling(temperature=1.0, top_k=0, top_p=1.0)  # the plain softmax of section 4.7


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


@dataclass(frozen=True, eq=False)
class FeedForwardPass:
    """What one block's feed-forward network makes of t tokens."""

    entering: Tensor  # (t, d), the output of norm2
    preactivations: Tensor  # (t, 4d), what GELU reads
    activations: Tensor  # (t, 4d), what GELU leaves
    leaving: Tensor  # (t, d)

    @property
    def firing(self) -> Tensor:
        """Which inner neurons GELU lets through with a positive value: (t, 4d) of bool."""
        return self.preactivations > 0

    def at(self, position: int) -> "FeedForwardPass":
        """The pass of one token alone: t is 1."""
        rows = slice(position, position + 1)
        return FeedForwardPass(
            self.entering[rows], self.preactivations[rows], self.activations[rows], self.leaving[rows]
        )


@torch.no_grad()
def feed_forward_pass(model: GPTModel, traced: Trace, block: int) -> FeedForwardPass:
    """Run one block's feed-forward network, layer by layer, on the tokens of a trace of the same model.

    Raises ValueError when there is no such block.
    """
    entering = traced.norm(block, "norm2").after
    expand, gelu, contract = cast(TransformerBlock, model.trf_blocks[block]).ff.layers
    preactivations = expand(entering)
    activations = gelu(preactivations)
    return FeedForwardPass(entering, preactivations, activations, contract(activations))


@dataclass(frozen=True)
class Neuron:
    """One inner neuron: its place among the 4d, what it receives and what it passes on."""

    index: int
    preactivation: float
    activation: float


def strongest_neurons(passed: FeedForwardPass, position: int, n: int = 10) -> tuple[Neuron, ...]:
    """The n neurons that pass on most for the token at `position`, strongest first."""
    activations = passed.activations[position]
    found = activations.topk(min(n, len(activations))).indices.tolist()
    return tuple(Neuron(i, float(passed.preactivations[position, i]), float(activations[i])) for i in found)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Share of the values per unit of x, between n + 1 even edges; the area over the edges is the share inside them."""

    edges: Tensor  # (n + 1,)
    density: Tensor  # (n,)


def histogram(values: Tensor, low: float, high: float, n: int = 80) -> Histogram:
    """How values of any shape are spread between low and high; what lies outside counts in the whole, not in a bin."""
    counts = torch.histc(values.float(), bins=n, min=low, max=high)
    width = (high - low) / n
    return Histogram(torch.linspace(low, high, n + 1), counts / (values.numel() * width))


@dataclass(frozen=True)
class LoopStep:
    """One turn of the loop in section 4.7: what went in, what came out, what was picked."""

    ids: tuple[int, ...]  # everything so far
    window: tuple[int, ...]  # the last context_length of them, which the model reads
    logits_shape: tuple[int, ...]  # (1, t, v), of which the last row is used
    table: TokenTable  # the likeliest tokens of that row: logit and softmax
    picked: int  # the likeliest of all

    @property
    def appended(self) -> tuple[int, ...]:
        """The ids that the next turn starts with."""
        return (*self.ids, self.picked)


def slow_loop(model: GPTModel, ids: Sequence[int] | Tensor, max_new_tokens: int, n: int = 5) -> Iterator[LoopStep]:
    """The chapter's generate_text_simple, one turn at a time: greedy, without a cache, every position anew.

    ids is a list, (t,) or (1, t); each step lists its n likeliest tokens. Raises ValueError at once for wrong ids.
    """
    return _turns(model, tuple(checked_ids(model, ids)), max_new_tokens, n)


def _turns(model: GPTModel, ids: tuple[int, ...], max_new_tokens: int, n: int) -> Iterator[LoopStep]:
    for _ in range(max_new_tokens):
        window = ids[-model.config.context_length :]
        with torch.no_grad():
            logits = model(torch.tensor([window])).float()
        table = token_table(logits[0, -1], _UNCHANGED, n)
        step = LoopStep(ids, window, tuple(logits.shape), table, table.tokens[0].token_id)
        yield step
        ids = step.appended

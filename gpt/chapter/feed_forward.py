"""Section 4.3: what one block's feed-forward network computes for the tokens of a trace.

Axes: t tokens, d emb_dim, 4d inner neurons.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ..model import GPTModel, TransformerBlock
from ..tracing import Trace


@dataclass(frozen=True, eq=False)
class FeedForwardPass:
    """The tensors of one block's feed-forward network for t tokens."""

    entering: Tensor  # (t, d), the output of norm2
    preactivations: Tensor  # (t, 4d), the input of GELU
    activations: Tensor  # (t, 4d), the output of GELU
    leaving: Tensor  # (t, d)

    @property
    def firing(self) -> Tensor:
        """Which inner neurons have a positive value after GELU: (t, 4d) of bool."""
        return self.preactivations > 0

    def at(self, position: int) -> "FeedForwardPass":
        """The same for one token: t is 1."""
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
    """One inner neuron: its index among the 4d, its value before and after GELU."""

    index: int
    preactivation: float
    activation: float


def strongest_neurons(passed: FeedForwardPass, position: int, n: int = 10) -> tuple[Neuron, ...]:
    """The n neurons with the largest activation for the token at `position`, largest first."""
    activations = passed.activations[position]
    found = activations.topk(min(n, len(activations))).indices.tolist()
    return tuple(Neuron(i, float(passed.preactivations[position, i]), float(activations[i])) for i in found)


@dataclass(frozen=True, eq=False)
class Histogram:
    """A density over n bins of equal width: its integral is the share of the values that lie within the edges."""

    edges: Tensor  # (n + 1,)
    density: Tensor  # (n,)


def histogram(values: Tensor, low: float, high: float, n: int = 80) -> Histogram:
    """The density of values of any shape between low and high. Values outside count in the total, not in a bin."""
    counts = torch.histc(values.float(), bins=n, min=low, max=high)
    width = (high - low) / n
    return Histogram(torch.linspace(low, high, n + 1), counts / (values.numel() * width))

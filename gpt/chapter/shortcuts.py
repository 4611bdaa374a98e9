"""Section 4.4: what shortcuts do to gradients, in the chapter's five-layer network and in any GPTModel.

The question is the same for both: how large are the gradients of the weights in each layer?
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..engine.precision import unpacked
from ..generation import checked_ids
from ..model import GELU, GPTModel
from ..tracing import differentiable
from .placeholder import PARTS, PartialBlock, with_parts

LAYER_SIZES = (3, 3, 3, 3, 3, 1)
INPUT = (1.0, 0.0, -1.0)
TARGET = 0.0


class DeepNetwork(nn.Module):
    """The chapter's ExampleDeepNeuralNetwork: linear layers with GELU, each with a shortcut where the widths are equal.

    Its weights are those that torch.manual_seed(seed) and nn.Linear give, drawn from a separate generator.
    """

    def __init__(self, shortcuts: bool, seed: int = 123) -> None:
        super().__init__()
        self.shortcuts = shortcuts
        generator = torch.Generator().manual_seed(seed)
        self.layers = nn.ModuleList(
            nn.Sequential(_linear(width_in, width_out, generator), GELU())
            for width_in, width_out in pairwise(LAYER_SIZES)
        )

    def forward(self, x: Tensor) -> Tensor:  # (b, 3) -> (b, 1)
        for layer in self.layers:
            out = layer(x)
            x = x + out if self.shortcuts and x.shape == out.shape else out
        return x

    def weights(self) -> list[Tensor]:
        """The weight matrix of each layer, (out, in), without the biases."""
        return [parameter for parameter in self.parameters() if parameter.dim() == 2]


def _linear(width_in: int, width_out: int, generator: torch.Generator) -> nn.Linear:
    linear: nn.Linear = nn.utils.skip_init(nn.Linear, width_in, width_out)
    nn.init.kaiming_uniform_(linear.weight, a=5**0.5, generator=generator)
    nn.init.uniform_(linear.bias, -(width_in**-0.5), width_in**-0.5, generator=generator)
    return linear


def chapter_gradients(shortcuts: bool, seed: int = 123) -> tuple[float, ...]:
    """Mean absolute gradient of each layer's weights in the chapter's network, first layer first."""
    network = DeepNetwork(shortcuts, seed)
    with torch.enable_grad():
        output = network(torch.tensor([INPUT]))
        loss = F.mse_loss(output, torch.full_like(output, TARGET))
        gradients = torch.autograd.grad(loss, network.weights())
    return tuple(float(gradient.abs().mean()) for gradient in gradients)


@dataclass(frozen=True)
class BlockGradients:
    """How large the gradients of the loss on a text are at the weights of each block, first block first."""

    loss: float  # mean cross-entropy of the next token, nats
    norms: tuple[float, ...]  # Euclidean norm over the weight matrices of a block


def block_gradients(model: GPTModel, ids: Sequence[int] | Tensor) -> tuple[BlockGradients, BlockGradients]:
    """Gradients of the next-token loss on ids (a list, (t,) or (1, t)): with the model's shortcuts, and without them.

    The backward pass runs in float32, whatever the model's precision. The model is not changed. Raises ValueError
    for fewer than two tokens.
    """
    listed = checked_ids(model, ids)
    if len(listed) < 2:
        raise ValueError("There is one token: give at least two, so that there is a next token to be wrong about.")
    flows = [_Flow(model, listed, parts) for parts in (PARTS, PARTS.keys() - {"shortcuts"})]
    for block in reversed(model.trf_blocks):
        unpacked_block = differentiable(block)
        for flow in flows:
            flow.step_back(unpacked_block)
    with_them, without = (BlockGradients(flow.loss, tuple(reversed(flow.norms))) for flow in flows)
    return with_them, without


class _Flow:
    """Backpropagation, one block at a time: from the gradient at the output of a block to that at its input."""

    def __init__(self, model: GPTModel, ids: list[int], parts: Collection[str]) -> None:
        self.parts = parts
        self.norms: list[float] = []  # last block first
        *self.entering, leaving = _stream(with_parts(model, parts), torch.tensor([ids[:-1]]))
        with torch.enable_grad():
            leaving.requires_grad_()
            logits = unpacked(model.out_head)(model.final_norm(leaving))
            loss = F.cross_entropy(logits[0], torch.tensor(ids[1:]))
            (self.gradient,) = torch.autograd.grad(loss, leaving)  # (1, t, d)
        self.loss = loss.item()

    def step_back(self, block: nn.Module) -> None:
        """Take the gradient from the output of `block` to its input, and record the norm at its weights."""
        seen: list[tuple[Tensor, Tensor]] = []  # input and output of each Linear layer, (1, t, width)
        hooks = [
            layer.register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
            for layer in block.modules()
            if isinstance(layer, nn.Linear)
        ]
        with torch.enable_grad():
            x = self.entering.pop().requires_grad_()
            leaving = PartialBlock(block, self.parts)(x)
            self.gradient, *behind = torch.autograd.grad(leaving, [x, *(out for _, out in seen)], self.gradient)
        for hook in hooks:
            hook.remove()
        pairs = zip((entered for entered, _ in seen), behind, strict=True)
        self.norms.append(sum(_weight_gradient_square(*pair) for pair in pairs) ** 0.5)


@torch.no_grad()
def _weight_gradient_square(entered: Tensor, gradient: Tensor) -> float:
    """Squared norm of the weight gradient of a Linear layer, from its input and the gradient at its output.

    The weight gradient is the sum over tokens of gradient times input. Its squared norm needs only the products
    between tokens, (t, t), and no matrix as large as the weight.
    """
    x, g = entered[0].double(), gradient[0].double()
    return float(((x @ x.T) * (g @ g.T)).sum().clamp_min(0))


@torch.no_grad()
def _stream(model: GPTModel, ids: Tensor) -> list[Tensor]:
    """The input of each block and the output of the last: L + 1 tensors (1, t, d)."""
    entering: list[Tensor] = []
    for module in (*model.trf_blocks, model.final_norm):
        module.register_forward_pre_hook(lambda _, args: entering.append(args[0].clone()))
    model.hidden(ids)
    return entering

"""How the Linear layers of a model are kept and multiplied: float32, bfloat16 or int8.

Only those layers change; activations between them stay float32, and nothing else in the model knows.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .kernels import linear_float32, pack_bfloat16, pack_int8
from .model import GPTModel

PRECISIONS = ("float32", "bfloat16", "int8")

_BYTES_PER_WEIGHT = {"bfloat16": 2, "int8": 1}


class Float32Linear(nn.Linear):
    """nn.Linear, multiplied by the quickest kernel there is as long as nobody wants gradients."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        self.weight = _parameter(weight)
        self.register_parameter("bias", None if bias is None else _parameter(bias))

    def forward(self, x: Tensor) -> Tensor:  # (..., in) -> (..., out)
        if torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad):
            return F.linear(x, self.weight, self.bias)
        return linear_float32(x, self.weight, self.bias)


class PackedLinear(nn.Module):
    """A Linear layer whose weights are kept in another number format; never altered, so copies of a model share it."""

    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, precision: str) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.precision = precision
        self.product = pack_bfloat16(weight) if precision == "bfloat16" else pack_int8(weight)
        self.register_buffer("bias", None if bias is None else bias.detach())

    def forward(self, x: Tensor) -> Tensor:  # (..., in) -> (..., out)
        return self.product(x, self.bias)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the packed weights, with the scales of int8 but without the bias."""
        scales = 4 * self.out_features if self.precision == "int8" else 0
        return self.out_features * self.in_features * _BYTES_PER_WEIGHT[self.precision] + scales

    def unpacked(self) -> nn.Linear:
        """The same layer in float32: what the packed weights make of each unit vector is a column of theirs."""
        linear = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        linear.weight = nn.Parameter(self.product(torch.eye(self.in_features), None).t().contiguous())
        if self.bias is not None:
            linear.bias = nn.Parameter(self.bias.clone())
        return linear


def pack(weight: Tensor, bias: Tensor | None, precision: str) -> Float32Linear | PackedLinear:
    """A Linear layer of weight (out, in) and bias (out,) in one of `PRECISIONS`; float32 keeps the tensors."""
    return Float32Linear(weight, bias) if precision == "float32" else PackedLinear(weight, bias, precision)


@torch.no_grad()
def set_precision(model: GPTModel, precision: str) -> GPTModel:
    """Pack every Linear layer of a float32 model for `precision`, in place; returns the model.

    Raises ValueError for an unknown precision or a model that is packed already.
    """
    check_precision(precision)
    if model.precision != "float32":
        raise ValueError(f"This model is packed in {model.precision} already: load it again to change that.")
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, pack(child.weight, child.bias, precision).train(child.training))
    model.precision = precision
    return model


def check_precision(precision: str) -> None:
    """Raises ValueError for anything but one of `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise ValueError(f"There is no precision {precision!r}: choose one of {', '.join(PRECISIONS)}.")


def weight_bytes(model: GPTModel) -> int:
    """Bytes of all the numbers a model holds, those it shares (a tied head) counted once."""
    packed = sum(module.weight_bytes for module in model.modules() if isinstance(module, PackedLinear))
    return packed + sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))


def unpacked(layer: nn.Module) -> nn.Module:
    """A layer that can be differentiated with respect to its input: itself, unless its weights are packed."""
    return layer.unpacked() if isinstance(layer, PackedLinear) else layer


def _parameter(tensor: Tensor) -> nn.Parameter:
    return tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor, requires_grad=False)

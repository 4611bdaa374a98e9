"""How the Linear layers of a model are kept and multiplied: float32, bfloat16 or int8.

Only those layers change; activations between them stay float32. The forward passes here are plain torch.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..model import GPTModel
from .compiled import compiled_library
from .panel_layout import PANEL, from_panels, to_panels

PRECISIONS = ("float32", "bfloat16", "int8")

_INT8_LEVELS = 127  # int8 values run from -127 to 127
_STEPS = 16383  # of a row's inputs; as in c/product.c
# Weights are made float32 so many panels at a time, which the processor's caches hold.
_PANELS_AT_ONCE = 2048 // PANEL


class PackedLinear(nn.Module):
    """A Linear layer whose weights are bfloat16 numbers, or int8 ones with a scale for each output feature.

    Inputs are rounded to bfloat16 or, beside int8 weights, as `to_steps` rounds them. The weights are kept once, in
    panels, as the engine reads them.
    """

    panels: Tensor
    scale: Tensor | None
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, precision: str) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        kept, scale = to_int8(weight) if precision == "int8" else (weight.to(torch.bfloat16), None)
        self.register_buffer("panels", to_panels(kept, compiled_library()))
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if bias is None else bias.detach())

    def forward(self, x: Tensor) -> Tensor:  # (..., in) -> (..., out)
        rounded = x.bfloat16().float() if self.scale is None else to_steps(x)
        parts = []
        for first in range(0, len(self.panels), _PANELS_AT_ONCE):
            panels = self.panels[first : first + _PANELS_AT_ONCE]
            n_outputs = min(len(panels) * PANEL, self.out_features - first * PANEL)
            parts.append(F.linear(rounded, from_panels(panels, n_outputs, self.in_features).float()))
        y = torch.cat(parts, -1)
        if self.scale is not None:
            y = y.mul_(self.scale)
        return y if self.bias is None else y.add_(self.bias)

    @property
    def weight(self) -> Tensor:
        """A copy of the weights (out, in), bfloat16 numbers or the int8 ones that scale belongs to."""
        return from_panels(self.panels, self.out_features, self.in_features)

    def with_weight(self, weight: Tensor, bias: Tensor | None) -> "PackedLinear":
        """The same kind of layer, with the same scale, around other numbers (out, in) of the format of `weight`."""
        twin = type(self).__new__(type(self))
        nn.Module.__init__(twin)
        twin.out_features, twin.in_features = weight.shape
        twin.register_buffer("panels", to_panels(weight, compiled_library()))
        twin.register_buffer("scale", self.scale)
        twin.register_buffer("bias", bias)
        return twin.train(self.training)

    def unpacked(self) -> nn.Linear:
        """The same layer in float32."""
        linear = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        weight = self.weight.float()
        linear.weight = nn.Parameter(weight if self.scale is None else weight * self.scale[:, None])
        if self.bias is not None:
            linear.bias = nn.Parameter(self.bias.clone())
        return linear


class PackedQKV(PackedLinear):
    """W_qkv, whose keys and values are rounded to bfloat16: a cache holds them in half the bytes, and loses nothing."""

    def forward(self, x: Tensor) -> Tensor:  # (..., d) -> (..., 3d)
        qkv = super().forward(x)
        keys_and_values = qkv[..., self.in_features :]
        keys_and_values.copy_(keys_and_values.bfloat16())
        return qkv


def to_steps(x: Tensor) -> Tensor:
    """x (..., n), each row in whole multiples of one step of its own: rows do not depend on one another."""
    step = (x.abs().amax(-1, keepdim=True) / _STEPS).clamp_min(torch.finfo(torch.float32).tiny)
    return (x / step).round_().mul_(step)


def to_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """weight (out, in) as whole numbers, and the scale (out,) that makes its largest absolute value in a row 127."""
    weight = weight.detach()  # else the scale would keep it, and ask for gradients
    scale = weight.abs().amax(-1).clamp_min(torch.finfo(torch.float32).tiny) / _INT8_LEVELS
    return (weight / scale[:, None]).round_().to(torch.int8), scale


def pack(name: str, weight: Tensor, bias: Tensor | None, precision: str) -> nn.Linear | PackedLinear:
    """The Linear layer that the model calls `name`, in one of `PRECISIONS`; float32 keeps the tensors.

    weight (out, in), bias (out,).
    """
    if precision != "float32":
        return (PackedQKV if name == "W_qkv" else PackedLinear)(weight, bias, precision)
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    linear.weight = _parameter(weight)
    if bias is not None:
        linear.bias = _parameter(bias)
    return linear


def cache_dtype(model: GPTModel) -> torch.dtype:
    """What a key-value cache has to hold for its keys and values to be the model's own."""
    return torch.float32 if model.precision == "float32" else torch.bfloat16


@torch.no_grad()
def set_precision(model: GPTModel, precision: str) -> GPTModel:
    """Pack every Linear layer of a float32 model for `precision`, in place; returns the model.

    Raises ValueError for an unknown precision or a model that is packed already.
    """
    check_precision(precision)
    if model.precision != "float32":
        raise ValueError(f"This model is packed in {model.precision} already: load it again to change that.")
    if precision == "float32":
        return model
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, pack(name, child.weight, child.bias, precision).train(child.training))
    model.precision = precision
    return model


def check_precision(precision: str) -> None:
    """Raises ValueError for anything but one of `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise ValueError(f"There is no precision {precision!r}: choose one of {', '.join(PRECISIONS)}.")


def weight_bytes(model: GPTModel) -> int:
    """Bytes of a model's own numbers, those it shares (a tied head) counted once."""
    return sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))


def unpacked(layer: nn.Module) -> nn.Module:
    """A layer that can be differentiated with respect to its input: itself, unless its weights are packed."""
    return layer.unpacked() if isinstance(layer, PackedLinear) else layer


def _parameter(tensor: Tensor) -> nn.Parameter:
    return tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor, requires_grad=False)

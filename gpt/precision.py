"""How the Linear layers of a model are kept and multiplied: float32, bfloat16 or int8.

Only those layers change; activations between them stay float32, and nothing else in the model knows.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import compiled
from .kernels import linear_bfloat16, linear_float32, linear_int8, to_int8
from .model import GPTModel

PRECISIONS = ("float32", "bfloat16", "int8")


class Float32Linear(nn.Linear):
    """nn.Linear, multiplied by the quickest kernel there is as long as nobody wants gradients."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        self.weight = _parameter(weight)
        self.register_parameter("bias", None if bias is None else _parameter(bias))
        self._halves: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:  # (..., in) -> (..., out)
        if torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad):
            return F.linear(x, self.weight, self.bias)
        y = _row_product(self, x)
        return linear_float32(x, self.weight, self.bias) if y is None else y

    def keep_halves(self) -> None:
        """Keep a weight whose numbers all are bfloat16 ones as such too: half the bytes to read for a single row."""
        self._halves = self.weight.detach().bfloat16().contiguous()
        self._halves_of = _state(self.weight)

    def handed_over(self) -> compiled.Linear | None:
        """The layer for compiled code."""
        if self._halves is not None and self._halves_of == _state(self.weight):
            return compiled.linear(self._halves, self.bias)
        return compiled.linear(self.weight, self.bias)


class PackedLinear(nn.Module):
    """A Linear layer whose weights are bfloat16 numbers, or int8 ones with a scale for each output feature.

    Inputs are rounded to bfloat16 or, beside int8 weights, as `kernels.to_steps` rounds them.
    """

    weight: Tensor
    scale: Tensor | None
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, precision: str) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        kept, scale = to_int8(weight) if precision == "int8" else (weight.to(torch.bfloat16).contiguous(), None)
        self.register_buffer("weight", kept)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if bias is None else bias.detach())

    def forward(self, x: Tensor) -> Tensor:  # (..., in) -> (..., out)
        y = _row_product(self, x)
        if y is not None:
            return y
        if self.scale is None:
            return linear_bfloat16(x, self.weight, self.bias)
        return linear_int8(x, self.weight, self.scale, self.bias)

    def handed_over(self) -> compiled.Linear | None:
        """The layer for compiled code."""
        return compiled.linear(self.weight, self.bias, self.scale, rounds_input=True)

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


def pack(name: str, weight: Tensor, bias: Tensor | None, precision: str) -> Float32Linear | PackedLinear:
    """The Linear layer that the model calls `name`, in one of `PRECISIONS`; float32 keeps the tensors.

    weight (out, in), bias (out,).
    """
    if precision == "float32":
        return Float32Linear(weight, bias)
    return (PackedQKV if name == "W_qkv" else PackedLinear)(weight, bias, precision)


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
    """Bytes of all the numbers a model holds, those it shares (a tied head) counted once."""
    return sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))


def unpacked(layer: nn.Module) -> nn.Module:
    """A layer that can be differentiated with respect to its input: itself, unless its weights are packed."""
    return layer.unpacked() if isinstance(layer, PackedLinear) else layer


def _row_product(layer: Float32Linear | PackedLinear, x: Tensor) -> Tensor | None:
    """The layer's output for a single row x, by compiled code; None where that cannot be."""
    library = compiled.compiled_library()
    if library is None or x.numel() != layer.in_features or x.dtype is not torch.float32 or not x.is_cpu:
        return None
    handed_over = layer.handed_over()
    return None if handed_over is None else compiled.multiply(library, handed_over, x)


def _state(weight: Tensor) -> tuple[int, int] | None:
    """What changes when the weight does; None if torch does not keep count."""
    return None if weight.is_inference() else (weight.data_ptr(), weight._version)


def _parameter(tensor: Tensor) -> nn.Parameter:
    return tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor, requires_grad=False)

"""Section 4.2: a model without its LayerNorms, and the depth at which its numbers overflow."""

from torch import nn

from ..model import GPTModel, LayerNorm
from ..tracing import Trace, structural_copy


def without_norms(model: GPTModel) -> GPTModel:
    """The same model with the same weights, and the identity in place of every LayerNorm."""
    bare = structural_copy(model)
    for name, module in model.named_modules():
        if isinstance(module, LayerNorm):
            bare.set_submodule(name, nn.Identity())
    return bare


def overflow_depth(traced: Trace) -> int | None:
    """The first of the 2L + 1 depths of the residual stream with a number beyond float32, None when there is none."""
    finite = traced.stream.isfinite().flatten(1).all(1)
    return None if bool(finite.all()) else int(finite.int().argmin())

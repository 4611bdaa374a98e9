"""A digest of a model's weights: the same for the same numbers, from whatever file they were read.

It is of the numbers as they are in memory, so each precision has its own.
"""

from collections.abc import Iterator
from hashlib import sha256

import torch
from torch import Tensor, nn

from ..model import GPTModel
from .precision import PackedLinear

DIGEST_OF = "SHA-256 of name, dtype, shape and bytes of every tensor, in the model's order, a tied head left out"


def weights_digest(model: GPTModel) -> str:
    """64 hexadecimal digits; reads every number once, about a second for each gigabyte."""
    digest = sha256()
    for name, tensor in _tensors(model):
        kept = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {str(kept.dtype).removeprefix('torch.')} {list(kept.shape)}\n".encode())
        digest.update(kept.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _tensors(model: GPTModel) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that has numbers of its own; of packed layers their weights as they are, not how they lie."""
    for name, module in model.named_modules():
        if name == "out_head" and model.config.tied_head:
            continue
        for part, tensor in _parts(module):
            yield f"{name}.{part}".removeprefix("."), tensor


def _parts(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(module, PackedLinear):
        yield from module.named_parameters(recurse=False)
        return
    yield "weight", module.weight
    if module.scale is not None:
        yield "scale", module.scale
    if module.bias is not None:
        yield "bias", module.bias

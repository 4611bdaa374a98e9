"""Whether a model was altered: a quick comparison of its weights and of its layers' settings.

Vectors (norms, biases, scales) are compared number by number, matrices by torch's count of writes and a few numbers.
So one thing goes unnoticed: single numbers of a matrix that torch does not know are changed (`weight.data[3, 5] = 0`).
Write to the weight itself under `torch.no_grad()`, or give the layer a new tensor: both are noticed.
"""

from collections.abc import Iterable

import torch
from cffi import FFI
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.modules import module as torch_module

from ..model import GELU, ExactGELU, FeedForward, GPTModel, LayerNorm, MultiHeadAttention, TransformerBlock
from .precision import PackedLinear, PackedQKV

Glance = tuple[object, ...]

# What a model is made of when the library computes what it computes.
_KNOWN: set[type[nn.Module]] = {GPTModel, TransformerBlock, MultiHeadAttention, FeedForward, LayerNorm, GELU, ExactGELU}
_KNOWN |= {PackedLinear, PackedQKV, nn.Linear, nn.Embedding, nn.Dropout, nn.ModuleList, nn.Sequential, nn.ReLU}

# Numbers of a matrix that are compared. Of a mapped file only the first: reading it brings a page into memory.
_SAMPLES = 4
SAMPLES_OF_FILE = 1

_ffi = FFI()


class Shared:
    """A tensor that a snapshot shares with its model, as it was when the snapshot was made."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor, self._version = tensor, _version(tensor)
        self._words, self._last = _words(tensor)
        self._expected = self._sample()

    def is_written_to(self) -> bool:
        """Whether torch has counted a write since, or a number that is compared is another one."""
        return _version(self._tensor) != self._version or self._sample() != self._expected

    def _sample(self) -> tuple[int, ...]:
        return tuple(self._words[i * self._last // (_SAMPLES - 1)] for i in range(_SAMPLES))


def is_as_made(model: GPTModel) -> bool:
    """Whether nothing but modules of the chapter is in the model, and nobody watches or replaced what they do."""
    if torch_module._global_forward_hooks or torch_module._global_forward_pre_hooks:
        return False
    if any(_methods(kind) != methods for kind, methods in _METHODS.items()):
        return False
    return all(map(_is_plain, (*model.parameters(), *model.buffers()))) and all(
        type(module) in _KNOWN
        and not (module._forward_hooks or module._forward_pre_hooks)
        and not _has_methods_of_its_own(module)
        for module in model.modules()
    )


def check_memory(model: GPTModel) -> None:
    """Raises ValueError for a model whose numbers are gone, as after `untyped_storage().resize_(0)`."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if not is_in_memory(tensor):
            raise ValueError(f"The numbers of {name} are no longer in memory: load the model again.")


def is_in_memory(tensor: Tensor) -> bool:
    """Whether a tensor's memory is as long as its numbers take; one that was resized to nothing keeps its shape."""
    if not tensor.numel() or not _is_plain(tensor):  # what is not plain, its own modules know
        return True
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    last = tensor.storage_offset() + sum((size - 1) * step for size, step in steps)
    return tensor.untyped_storage().nbytes() >= (last + 1) * tensor.element_size()


def _is_plain(tensor: Tensor) -> bool:
    """Whether the numbers of a tensor are those that lie in memory: none left out, negated or made by its class."""
    return type(tensor) in (Tensor, nn.Parameter) and tensor.layout is torch.strided and not tensor.is_neg()


def fingerprint(model: GPTModel, of_files: Iterable[Tensor]) -> Glance:
    """What changes when a weight is replaced or written to, or a setting of a layer. of_files: weights from files.

    Raises ValueError for a model whose numbers are gone.
    """
    mapped = {id(tensor) for tensor in of_files}
    check_memory(model)
    tensors = (*model.parameters(), *model.buffers())
    glances = tuple(glance(each, SAMPLES_OF_FILE if id(each) in mapped else _SAMPLES) for each in tensors)
    # With repeats: the same block may stand in two places.
    parts = tuple((name, type(each), *_settings(each)) for name, each in model.named_modules(remove_duplicate=False))
    # By themselves: what stands for memory can be compared with nothing but memory.
    return glances, parts


def glance(tensor: Tensor, n_samples: int = _SAMPLES) -> Glance:
    """What a tensor is like: where its numbers lie, how often torch wrote to them, and all or some of them."""
    # Memory by itself, not only by its address: that may be given to another tensor once this one is gone.
    memory = StorageWeakRef(tensor.untyped_storage())
    where = memory, tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype, _version(tensor)
    if not tensor.is_cpu or not tensor.numel() or not is_in_memory(tensor):
        return where
    if tensor.dim() == 1:
        return (*where, _all_bytes(tensor))
    return (*where, *sample(tensor, n_samples)) if _is_dense(tensor) else where


def sample(tensor: Tensor, n_samples: int) -> tuple[int, ...]:
    """A few of the tensor's numbers, as they lie in memory; less than four bytes of it have none."""
    words, last = _words(tensor)
    return tuple(words[i * last // max(1, n_samples - 1)] for i in range(n_samples)) if last >= 0 else ()


def _words(tensor: Tensor) -> tuple["FFI.CData", int]:
    return _ffi.cast("uint32_t *", tensor.data_ptr()), tensor.numel() * tensor.element_size() // 4 - 1


def _all_bytes(vector: Tensor) -> bytes:
    together = vector.detach().contiguous()
    return bytes(_ffi.buffer(_ffi.cast("char *", together.data_ptr()), together.nbytes))


def _version(tensor: Tensor) -> int | None:
    return None if tensor.is_inference() else tensor._version


def _is_dense(tensor: Tensor) -> bool:
    return tensor.is_contiguous() or (tensor.dim() == 2 and tensor.t().is_contiguous())


def _methods(kind: type[nn.Module]) -> dict[str, object]:
    """The methods that a class itself defines."""
    return {name: value for name, value in vars(kind).items() if callable(value)}


# As the classes were when the library was written for them: somebody may replace LayerNorm.forward.
_METHODS = {kind: _methods(kind) for kind in _KNOWN}


def _has_methods_of_its_own(module: nn.Module) -> bool:
    """Whether a method of the class was replaced on this instance."""
    return any(callable(value) and hasattr(type(module), name) for name, value in vars(module).items())


def _settings(module: nn.Module) -> Glance:
    if isinstance(module, LayerNorm):
        return (module.eps,)
    if isinstance(module, MultiHeadAttention):
        return module.n_heads, module.divisor
    return (module.max_norm,) if isinstance(module, nn.Embedding) else ()

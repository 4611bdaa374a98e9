"""The model that files hold, worked out from their names, shapes and settings before its numbers are read.

So a model can be judged before it is downloaded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ..config import GPTConfig
from ..model import GPTModel
from ..tokenizer import Vocabulary
from .file_config import Said, work_out_config
from .layouts import Layout, Named, Source, find_sources, recognise
from .other_architectures import refuse_book_classifier, refuse_strangers
from .stored_tensors import StoredTensor
from .vocabularies import read_vocabulary


@dataclass(frozen=True)
class Examined:
    """A model that can be filled: the empty modules, where each parameter comes from, its vocabulary, and notes."""

    skeleton: GPTModel  # on the meta device
    sources: Mapping[str, Source]
    vocabulary: Vocabulary | None  # with an id for each of the model's rows
    notes: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """How many numbers the model has, those of a tied head once."""
        return sum(parameter.numel() for parameter in self.skeleton.parameters())


def examine(
    stored: Mapping[str, StoredTensor], settings: Mapping[str, Any], vocabulary_files: Mapping[str, bytes], said: Said
) -> Examined:
    """The model that stored tensors (by their names in the file) are, with these settings and vocabulary files.

    Raises WeightsError for what is no GPT-2 language model, or does not agree with itself.
    """
    refuse_strangers(stored, settings)
    named = Named.of(stored)
    layout = recognise(named.tensors)
    refuse_book_classifier(named.tensors)
    rows = layout.shape(named.tensors, "tok_emb.weight")[0]
    vocabulary, notes = read_vocabulary(vocabulary_files, rows, settings.get("eos_token_id"))
    n_tokens = len(vocabulary.pieces) if vocabulary else 0
    config, assumed = work_out_config(named, layout, settings, said, n_tokens)
    with torch.device("meta"), _NoRandomWeights():
        skeleton = GPTModel(config)
    shapes = {name: parameter.shape for name, parameter in skeleton.state_dict().items()}
    if config.tied_head:
        del shapes["out_head.weight"]
    sources = find_sources(_without_surplus(named.tensors, config, layout), layout, shapes)
    return Examined(skeleton, sources, _with_every_row(vocabulary, config), (*assumed, *notes))


class _NoRandomWeights(TorchFunctionMode):
    """Inside, modules are made without drawing the random weights that a file is about to replace."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        return kwargs["tensor"] if func in (nn.init.normal_, nn.init.kaiming_uniform_) else func(*args, **kwargs)


def _with_every_row(vocabulary: Vocabulary | None, config: GPTConfig) -> Vocabulary | None:
    """The vocabulary with as many ids as the model has rows: those beyond its tokens stand for none."""
    missing = config.vocab_size - len(vocabulary.pieces) if vocabulary else 0
    return replace(vocabulary, pieces=vocabulary.pieces + (None,) * missing) if vocabulary and missing else vocabulary


def _without_surplus(tensors: Mapping[str, StoredTensor], config: GPTConfig, layout: Layout) -> dict[str, StoredTensor]:
    """The tensors without a second copy of the embedding, rows of padding, or biases that a setting says are zero."""
    kept = dict(tensors)
    (head,) = layout.file_names("out_head.weight")
    if config.tied_head:
        kept.pop(head, None)
    for name in (*layout.file_names("tok_emb.weight"), head):
        if name in kept and kept[name].shape[0] > config.vocab_size:
            kept[name] = replace(kept[name], shape=(config.vocab_size, *kept[name].shape[1:]))
    if not config.qkv_bias:
        for layer in range(config.n_layers):
            for name in layout.file_names(f"trf_blocks.{layer}.att.W_qkv.bias"):
                if name in kept and kept[name].is_zero():
                    del kept[name]
    return kept

"""A model from safetensors files: any GPT-2-shaped file or folder becomes the chapter's model.

The tensors of a float32 file stay memory-mapped: opening copies only what has to be rearranged.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..config import ACTIVATIONS, GPTConfig
from ..engine.precision import check_precision, pack
from ..engine.weight_panels import packed_from
from ..model import GPTModel
from ..tokenizer import Tokenizer
from .examined_model import Examined, examine
from .file_config import Said
from .layouts import Source
from .model_files import Found, find
from .model_folder import save_model
from .stored_tensors import StoredTensor, WeightsError, read_header, read_json, settings_in_metadata
from .vocabularies import FILE_NAMES

__all__ = ["WeightsError", "load_model", "save_model"]

_log = logging.getLogger(__name__)


def load_model(
    path: str | os.PathLike[str], precision: str = "float32", activation: str | None = None, n_heads: int | None = None
) -> GPTModel:
    """A model from a safetensors file or a folder with one, in eval mode and without gradients.

    Reads the Hugging Face, book and nanoGPT layouts; precision is "float32", "bfloat16" or "int8". activation and
    n_heads say what the file does not say, or says wrongly. The model's `.tokenizer` is the folder's own, GPT-2's
    where its vocabulary fits, else None; its `.notes` say what had to be assumed. Raises WeightsError for a file that
    cannot be used and ValueError for an argument that makes no sense.
    """
    check_precision(precision)
    _check_arguments(activation, n_heads)
    found = find(Path(path))
    examined = examine(*_read(found), _vocabulary_files(found.folder), Said(activation, n_heads))
    model = _fill(examined, precision)
    model.tokenizer = Tokenizer(examined.vocabulary) if examined.vocabulary else None
    model.notes = (*found.notes, *examined.notes)
    for note in model.notes:
        _log.warning("%s: %s", path, note)
    return model


def stored_parameters(path: str | os.PathLike[str]) -> int:
    """How many parameters the model in a file or folder has, without reading them. Raises WeightsError."""
    return _examined(path).parameters


def stored_config(path: str | os.PathLike[str]) -> GPTConfig:
    """The settings of the model in a file or folder, without reading its weights. Raises WeightsError."""
    return _examined(path).skeleton.config


def _examined(path: str | os.PathLike[str]) -> Examined:
    found = find(Path(path))
    return examine(*_read(found), _vocabulary_files(found.folder), Said())


def _check_arguments(activation: str | None, n_heads: int | None) -> None:
    if activation is not None and activation not in ACTIVATIONS:
        raise ValueError(f"There is no activation {activation!r}: choose one of {', '.join(ACTIVATIONS)}.")
    if n_heads is not None and (isinstance(n_heads, bool) or not isinstance(n_heads, int) or n_heads < 1):
        raise ValueError(f"n_heads is {n_heads!r}: it has to be a whole number from 1 on.")


def _read(found: Found) -> tuple[dict[str, StoredTensor], dict[str, Any]]:
    """A model's tensors, unread, and the settings that came with them: metadata, then the JSON files beside."""
    tensors: dict[str, StoredTensor] = {}
    settings: dict[str, Any] = {}
    for file in found.files:
        in_file, metadata = read_header(file)
        tensors.update(in_file)
        settings.update(settings_in_metadata(metadata))
    settings.update(read_json(found.folder / "config.json"))
    if found.files[0].name.startswith("adapter_model"):
        settings.update(read_json(found.folder / "adapter_config.json"))
    return tensors, settings


def _vocabulary_files(folder: Path) -> dict[str, bytes]:
    # A pickle is seen, never read.
    found = {name: folder / name for name in FILE_NAMES if (folder / name).is_file()}
    return {name: b"" if path.suffix == ".pkl" else path.read_bytes() for name, path in found.items()}


def _fill(examined: Examined, precision: str) -> GPTModel:
    """The examined model with its numbers in it, packed for a precision."""
    model, sources = examined.skeleton, examined.sources
    for path, module in list(model.named_modules()):
        if path != "out_head":
            _fill_module(model, path, module, sources, precision)
    head_source = sources["tok_emb.weight" if model.config.tied_head else "out_head.weight"]
    head = model.tok_emb.weight if model.config.tied_head else head_source.read()
    model.register_module("out_head", _layer("out_head", head, None, precision, head_source))
    model.precision = precision
    return model.eval().requires_grad_(False)


def _fill_module(model: GPTModel, path: str, module: nn.Module, sources: Mapping[str, Source], precision: str) -> None:
    """Give one module its own parameters, one tensor after the other so that little is in memory twice."""
    read = {leaf: sources[f"{path}.{leaf}"].read() for leaf, _ in module.named_parameters(recurse=False)}
    if isinstance(module, nn.Linear):
        parent, _, name = path.rpartition(".")
        source = sources[f"{path}.weight"]
        layer = _layer(name, read["weight"], read.get("bias"), precision, source)
        setattr(model.get_submodule(parent), name, layer)
    elif read:
        module.load_state_dict(read, assign=True)
    if isinstance(module, nn.Embedding):
        packed_from(module.weight, sources[f"{path}.weight"].read_again)


def _layer(name: str, weight: Tensor, bias: Tensor | None, precision: str, source: Source) -> nn.Module:
    layer = pack(name, weight, bias, precision)
    if isinstance(layer, nn.Linear):
        packed_from(layer.weight, source.read_again)
    return layer

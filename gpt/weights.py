"""Safetensors files in and out: a GPT-2-shaped file becomes the chapter's model, a model a Hugging Face folder.

The tensors of a float32 file stay memory-mapped: opening copies only what has to be rearranged.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.overrides import TorchFunctionMode

from .config import GPTConfig
from .file_config import PADDED_VOCAB_SIZE, check_settings, settings_in_metadata, work_out_config
from .layouts import HUGGING_FACE, Layout, Source, StoredTensor, WeightsError, find_sources, recognise, strip_names
from .model import GPTModel, LayerNorm
from .precision import Float32Linear, check_precision, pack
from .tokenizer import END_OF_TEXT_ID, VOCAB_SIZE

_log = logging.getLogger(__name__)


def load_model(path: str | os.PathLike[str], precision: str = "float32") -> GPTModel:
    """A model from a safetensors file or a folder with one, in eval mode and without gradients.

    Reads the Hugging Face, book and nanoGPT layouts; precision is "float32", "bfloat16" or "int8".
    `.notes` of the model says what had to be assumed. Raises WeightsError for a file that cannot be used
    and ValueError for an unknown precision.
    """
    check_precision(precision)
    tensors, settings = _read(Path(path))
    tensors = strip_names(tensors)
    layout = recognise(tensors)
    check_settings(settings)
    config, notes = work_out_config(tensors, layout, settings)
    model = _build(config, tensors, layout, precision)
    model.notes = tuple(notes)
    for note in notes:
        _log.warning("%s: %s", path, note)
    return model


def save_model(model: GPTModel, folder: str | os.PathLike[str]) -> None:
    """Write model.safetensors (Hugging Face layout, the parameters' own dtype) and config.json into `folder`.

    transformers' GPT2LMHeadModel opens the folder. A reader never sees a half-written file. Raises ValueError
    for a model whose Linear layers were packed for a precision.
    """
    if model.precision != "float32":
        raise ValueError(f"This model runs in {model.precision}: load it in float32 to save it.")
    config = model.config
    tensors = {}
    for name, parameter in model.state_dict().items():
        if name == "out_head.weight" and config.tied_head:
            continue
        (file_name,) = HUGGING_FACE.file_names(name)
        prefix = "" if name == "out_head.weight" else "transformer."
        turned = parameter.t() if HUGGING_FACE.turned(name) else parameter
        tensors[prefix + file_name] = turned.contiguous()
    if not config.qkv_bias:
        zeros = torch.zeros(3 * config.emb_dim, dtype=model.tok_emb.weight.dtype)
        for layer in range(config.n_layers):
            tensors[f"transformer.h.{layer}.attn.c_attn.bias"] = zeros.clone()
    settings = _settings_for_transformers(config, model.tok_emb.weight.dtype)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "config.json", lambda path: path.write_text(json.dumps(settings, indent=2) + "\n"))
    _replace(folder / "model.safetensors", lambda path: save_file(tensors, path, metadata={"format": "pt"}))


# Reading files


def _read(path: Path) -> tuple[dict[str, StoredTensor], dict[str, Any]]:
    """All tensors under `path`, unread, and the settings that came with them: metadata, then config.json."""
    files = _find_files(path)
    tensors: dict[str, StoredTensor] = {}
    settings: dict[str, Any] = {}
    for file in files:
        try:
            with safe_open(file, "pt") as opened:
                for name in opened.keys():  # noqa: SIM118
                    header = opened.get_slice(name)
                    tensors[name] = StoredTensor(file, name, tuple(header.get_shape()), header.get_dtype())
                settings.update(settings_in_metadata(opened.metadata() or {}))
        except (SafetensorError, OSError) as error:
            raise WeightsError(
                f"{file.name} cannot be read as a safetensors file ({error}): "
                f"it may be another format under this name, or a download that broke off."
            ) from error
    beside = files[0].parent / "config.json"
    if beside.is_file():
        settings.update(_read_json(beside))
    return tensors, settings


def _find_files(path: Path) -> list[Path]:
    if path.suffix in (".bin", ".pt", ".pth", ".ckpt", ".gguf", ".onnx", ".h5"):
        raise WeightsError(f"{path.name} is a {path.suffix} file: convert it to .safetensors first.")
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise WeightsError(f"There is no file or folder {path}: give the path of a .safetensors file or its folder.")
    if (path / "model.safetensors").is_file():
        return [path / "model.safetensors"]
    if (path / "model.safetensors.index.json").is_file():
        return _find_shards(path / "model.safetensors.index.json")
    found = sorted(path.glob("*.safetensors"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "no .safetensors file"
        raise WeightsError(f"The folder {path} holds {names}: expected model.safetensors, or one file to choose.")
    return found


def _find_shards(index: Path) -> list[Path]:
    names = _read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise WeightsError(f"{index.name} has no weight_map, the list of which tensor is in which file.")
    shards = [index.parent / str(name) for name in sorted(set(map(str, names.values())))]
    for shard in shards:
        if shard.parent != index.parent or not shard.is_file():
            raise WeightsError(f"{index.name} lists {shard.name}, which is not in the folder: put all shards there.")
    return shards


def _read_json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path.name} cannot be read as JSON ({error}): repair it or take it away.") from error
    if not isinstance(read, dict):
        raise WeightsError(f"{path.name} is not a JSON object of settings: repair it or take it away.")
    return read


# Filling the model


class _NoRandomWeights(TorchFunctionMode):
    """Inside, modules are made without drawing the random weights that a file is about to replace."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        return kwargs["tensor"] if func in (nn.init.normal_, nn.init.kaiming_uniform_) else func(*args, **kwargs)


def _build(config: GPTConfig, tensors: Mapping[str, StoredTensor], layout: Layout, precision: str) -> GPTModel:
    with torch.device("meta"), _NoRandomWeights():
        model = GPTModel(config)
    shapes = {name: parameter.shape for name, parameter in model.state_dict().items()}
    if config.tied_head:
        del shapes["out_head.weight"]
    sources = find_sources(_without_surplus(tensors, config, layout), layout, shapes)
    for path, module in list(model.named_modules()):
        if path != "out_head":
            _fill(model, path, module, sources, precision)
    head = model.tok_emb.weight if config.tied_head else sources["out_head.weight"].read()
    model.register_module("out_head", pack("out_head", head, None, precision))
    model.precision = precision
    model.eval().requires_grad_(False)
    if all(tensor.dtype == "BF16" for tensor in tensors.values()):
        _keep_halves(model)
    return model


def _keep_halves(model: GPTModel) -> None:
    for module in model.modules():
        if isinstance(module, Float32Linear):
            module.keep_halves()


def _fill(model: GPTModel, path: str, module: nn.Module, sources: Mapping[str, Source], precision: str) -> None:
    """Give one module its own parameters, one tensor after the other so that little is in memory twice."""
    read = {leaf: sources[f"{path}.{leaf}"].read() for leaf, _ in module.named_parameters(recurse=False)}
    if isinstance(module, nn.Linear):
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, pack(name, read["weight"], read.get("bias"), precision))
    elif read:
        module.load_state_dict(read, assign=True)


def _without_surplus(tensors: Mapping[str, StoredTensor], config: GPTConfig, layout: Layout) -> dict[str, StoredTensor]:
    """The tensors without a second copy of the embedding, rows of padding, or biases that are zero by agreement."""
    kept = dict(tensors)
    (head,) = layout.file_names("out_head.weight")
    if config.tied_head:
        kept.pop(head, None)
    for name in (*layout.file_names("tok_emb.weight"), head):
        if name in kept and kept[name].shape[0] == PADDED_VOCAB_SIZE:
            kept[name] = replace(kept[name], shape=(VOCAB_SIZE, *kept[name].shape[1:]))
    if not config.qkv_bias:
        for layer in range(config.n_layers):
            for name in layout.file_names(f"trf_blocks.{layer}.att.W_qkv.bias"):
                if name in kept and not kept[name].read().any():
                    del kept[name]
    return kept


# Writing files


def _settings_for_transformers(config: GPTConfig, dtype: torch.dtype) -> dict[str, Any]:
    settings = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_positions": config.context_length,
        "n_embd": config.emb_dim,
        "n_head": config.n_heads,
        "n_layer": config.n_layers,
        "embd_pdrop": config.drop_rate,
        "attn_pdrop": config.drop_rate,
        "resid_pdrop": config.drop_rate,
        "qkv_bias": config.qkv_bias,  # not a setting of transformers: load_model reads it
        "activation_function": "gelu_new",
        "layer_norm_epsilon": LayerNorm.eps,
        "tie_word_embeddings": config.tied_head,
        "dtype": str(dtype).removeprefix("torch."),
    }
    if config.vocab_size == VOCAB_SIZE:
        settings |= {"bos_token_id": END_OF_TEXT_ID, "eos_token_id": END_OF_TEXT_ID}
    else:
        settings |= {"bos_token_id": None, "eos_token_id": None}
    return settings


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside `path`, then move it there in one step, so that nobody reads half a file."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)

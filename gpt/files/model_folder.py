"""A model as a Hugging Face folder, which transformers and load_model open."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ..config import GPTConfig
from ..model import GPTModel
from ..tokenizer import END_OF_TEXT_ID, VOCAB_SIZE, Vocabulary
from .layouts import HUGGING_FACE
from .stored_tensors import WeightsError
from .vocabularies import FILE_NAMES, read_vocabulary

_ACTIVATIONS = {"gelu_tanh": "gelu_new", "gelu": "gelu", "relu": "relu"}  # by transformers' names


def save_model(model: GPTModel, folder: str | os.PathLike[str]) -> None:
    """Write model.safetensors (Hugging Face layout, the parameters' own dtype) and config.json into `folder`.

    transformers' GPT2LMHeadModel opens the folder. A vocabulary that the model brought is written beside them. Every
    file is written to a temporary one, then renamed. Raises ValueError for a model whose Linear layers were packed for
    a precision, and for a folder with another model's vocabulary.
    """
    if model.precision != "float32":
        raise ValueError(f"This model runs in {model.precision}: load it in float32 to save it.")
    folder, config = Path(folder), model.config
    _check_vocabulary_beside(model, folder)
    tensors = {}
    for name, parameter in model.state_dict().items():
        if name == "out_head.weight" and config.tied_head:
            continue
        (file_name,) = HUGGING_FACE.file_names(name)
        prefix = "" if name == "out_head.weight" else "transformer."
        kept = parameter.t() if HUGGING_FACE.is_transposed(name) else parameter
        tensors[prefix + file_name] = kept.contiguous()
    if not config.qkv_bias:
        zeros = torch.zeros(3 * config.emb_dim, dtype=model.tok_emb.weight.dtype)
        for layer in range(config.n_layers):
            tensors[f"transformer.h.{layer}.attn.c_attn.bias"] = zeros.clone()
    settings = json.dumps(_settings(model), indent=2) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = model.tokenizer.vocabulary.files if model.tokenizer else {}
    for file_name, content in vocabulary.items():
        _replace(folder / file_name, partial(_write_bytes, content))
    _replace(folder / "config.json", lambda path: path.write_text(settings, encoding="utf-8"))
    _replace(folder / "model.safetensors", lambda path: save_file(tensors, path, metadata={"format": "pt"}))


def _check_vocabulary_beside(model: GPTModel, folder: Path) -> None:
    """Raises ValueError where files that stay in the folder would give the saved model another tokenizer."""
    if model.tokenizer is None:
        return  # what is there may have been put there for it
    own = model.tokenizer.vocabulary
    beside = {name: b"" for name in FILE_NAMES if name not in own.files and (folder / name).is_file()}
    if not beside:
        return
    read = {name: (folder / name).read_bytes() for name in beside if name != "meta.pkl"}
    try:
        found, _ = read_vocabulary(beside | read | dict(own.files), model.config.vocab_size)
    except WeightsError:
        found = None
    if found is None or _tokens(found) != _tokens(own):
        raise ValueError(
            f"The folder {folder} holds another model's vocabulary ({', '.join(beside)}): choose another folder, or "
            f"take it away."
        )


def _tokens(vocabulary: Vocabulary) -> dict[int, bytes]:
    return {token_id: piece for token_id, piece in enumerate(vocabulary.pieces) if piece is not None}


def _settings(model: GPTModel) -> dict[str, Any]:
    """config.json: the settings of transformers, and those of GPTConfig that it does not know."""
    config, end_of_text = model.config, _end_of_text(model)
    rates = config.drop_rates
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_positions": config.context_length,
        "n_embd": config.emb_dim,
        "n_head": config.n_heads,
        "n_layer": config.n_layers,
        "n_inner": config.inner_dim,
        "activation_function": _ACTIVATIONS[config.activation],
        "layer_norm_epsilon": config.norm_eps,
        "scale_attn_weights": config.scale_by_head_dim,
        "scale_attn_by_inverse_layer_idx": config.scale_by_layer,
        "embd_pdrop": rates.emb,
        "attn_pdrop": rates.attn,
        "resid_pdrop": rates.shortcut,
        "tie_word_embeddings": config.tied_head,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "dtype": str(model.tok_emb.weight.dtype).removeprefix("torch."),
        "qkv_bias": config.qkv_bias,
        "drop_rate": config.drop_rate,
        **_own_rates(config),
    }


def _own_rates(config: GPTConfig) -> dict[str, float]:
    names = ("drop_rate_emb", "drop_rate_attn", "drop_rate_shortcut")
    return {name: getattr(config, name) for name in names if getattr(config, name) is not None}


def _end_of_text(model: GPTModel) -> int | None:
    if model.tokenizer is not None:
        return model.tokenizer.end_of_text
    return END_OF_TEXT_ID if model.config.vocab_size == VOCAB_SIZE else None


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write to a temporary file beside `path`, then rename it, so that nobody reads an unfinished one."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        unfinished.touch()
        permissions = unfinished.stat().st_mode  # those the umask leaves; safetensors would keep the file to its owner
        write(unfinished)
        unfinished.chmod(permissions)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)

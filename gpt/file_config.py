"""Which model a file holds: the configuration beside its tensors, checked against them, and what has to be assumed.

Knows names and shapes only; the numbers are read where two copies of the embedding have to be compared.
"""

import json
from collections.abc import Mapping
from typing import Any

import torch

from .config import GPTConfig
from .layouts import Layout, StoredTensor, WeightsError
from .model import LayerNorm
from .tokenizer import VOCAB_SIZE

PADDED_VOCAB_SIZE = 50304  # nanoGPT rounds the vocabulary up to a multiple of 64
_HEAD_DIM = 64  # in every GPT-2 that OpenAI released
_TANH_GELUS = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")
# What a size is called in the configurations of Hugging Face, the book and nanoGPT.
_SETTING_NAMES = {
    "vocab_size": ("vocab_size",),
    "context_length": ("n_positions", "n_ctx", "context_length", "block_size"),
    "emb_dim": ("n_embd", "emb_dim"),
    "n_heads": ("n_head", "n_heads"),
    "n_layers": ("n_layer", "n_layers"),
}


def settings_in_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Metadata holds only strings: numbers written out, or a whole configuration as JSON under some key."""
    settings: dict[str, Any] = {}
    for key, text in metadata.items():
        try:
            value = json.loads(text)
        except ValueError:
            continue
        settings.update(value if isinstance(value, dict) else {key: value})
    return settings


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raises WeightsError for a configuration that asks for another computation than the chapter's."""
    expectations: dict[str, tuple[Any, ...]] = {
        "model_type": ("gpt2",),
        "activation_function": _TANH_GELUS,
        "layer_norm_epsilon": (LayerNorm.eps,),
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "add_cross_attention": (False,),
    }
    for name, expected in expectations.items():
        if name in settings and settings[name] not in expected:
            choices = " or ".join(map(str, expected))
            raise WeightsError(
                f"The configuration sets {name} to {settings[name]}, but the chapter's model computes with {choices}: "
                f"its logits would be wrong."
            )


def work_out_config(
    tensors: Mapping[str, StoredTensor], layout: Layout, settings: Mapping[str, Any]
) -> tuple[GPTConfig, list[str]]:
    """The configuration of a file's model, and what had to be assumed for it.

    Raises WeightsError where settings and tensors do not agree, or do not make a model.
    """
    notes = []
    vocab_size, emb_dim = layout.shape(tensors, "tok_emb.weight")
    sizes = {
        "vocab_size": vocab_size,
        "context_length": layout.shape(tensors, "pos_emb.weight")[0],
        "emb_dim": emb_dim,
        "n_layers": layout.count_blocks(tensors),
    }
    for name, found in sizes.items():
        stated = _setting(settings, name)
        if stated not in (None, found):
            raise WeightsError(
                f"The configuration says {name} is {stated}, the tensors say {found}: they belong to different models."
            )
    n_heads = _setting(settings, "n_heads")
    if n_heads is None:
        n_heads = max(1, emb_dim // _HEAD_DIM)
        notes.append(
            f"The number of heads is not in the file: assumed {n_heads}, one for every {_HEAD_DIM} dimensions."
        )
    if vocab_size == PADDED_VOCAB_SIZE:
        sizes["vocab_size"] = VOCAB_SIZE
        notes.append(f"The last {vocab_size - VOCAB_SIZE} of {vocab_size} rows are padding without a token: left out.")
    try:
        config = GPTConfig(
            **sizes,
            n_heads=n_heads,
            drop_rate=settings.get("resid_pdrop", settings.get("drop_rate", GPTConfig.drop_rate)),
            qkv_bias=_has_qkv_bias(tensors, layout, settings),
            tied_head=_has_tied_head(tensors, layout, settings),
        )
    except (ValueError, TypeError) as error:
        raise WeightsError(f"The settings beside the tensors do not make a model. {error}") from error
    return config, notes


def _setting(settings: Mapping[str, Any], name: str) -> Any:
    return next((settings[key] for key in _SETTING_NAMES[name] if key in settings), None)


def _has_qkv_bias(tensors: Mapping[str, StoredTensor], layout: Layout, settings: Mapping[str, Any]) -> bool:
    # save_model writes zeros where the model has no bias, because transformers knows no other way.
    if settings.get("qkv_bias") is False:
        return False
    blocks = range(layout.count_blocks(tensors))
    return any(layout.file_names(f"trf_blocks.{layer}.att.W_qkv.bias")[0] in tensors for layer in blocks)


def _has_tied_head(tensors: Mapping[str, StoredTensor], layout: Layout, settings: Mapping[str, Any]) -> bool:
    """Whether the head is the token embedding: not in the file, or in it a second time with equal numbers."""
    (embedding,) = layout.file_names("tok_emb.weight")
    (head,) = layout.file_names("out_head.weight")
    tied = settings.get("tie_word_embeddings", layout.name != "book" or head not in tensors)
    if head not in tensors:
        if not tied:
            raise WeightsError(f"{head} is missing, and the configuration says it is not the token embedding.")
        return True
    return bool(tied) and torch.equal(tensors[head].read(), tensors[embedding].read())

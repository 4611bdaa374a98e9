"""Which model a file holds: the configuration beside its tensors, checked against them, and what has to be assumed.

Knows names and shapes only; the numbers are read where two copies of the embedding have to be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..config import GPTConfig
from .layouts import Layout, Named
from .other_architectures import is_another_architecture
from .stored_tensors import StoredTensor, WeightsError

_HEAD_DIM = 64  # in every GPT-2 that OpenAI released
_MOST_PADDING = 128  # vocabularies are rounded up to a multiple of this, or of less
# What a setting is called in the configurations of Hugging Face, the book and nanoGPT.
_SETTING_NAMES = {
    "vocab_size": ("vocab_size",),
    "context_length": ("n_positions", "n_ctx", "context_length", "block_size"),
    "emb_dim": ("n_embd", "emb_dim"),
    "n_heads": ("n_head", "n_heads"),
    "n_layers": ("n_layer", "n_layers"),
    "inner_dim": ("n_inner", "inner_dim"),
    "activation": ("activation_function", "activation"),
    "norm_eps": ("layer_norm_epsilon", "norm_eps"),
    "scale_by_head_dim": ("scale_attn_weights", "scale_by_head_dim"),
    "scale_by_layer": ("scale_attn_by_inverse_layer_idx", "scale_by_layer"),
    "tied_head": ("tie_word_embeddings", "tied_head"),
    "drop_rate": ("drop_rate", "resid_pdrop", "dropout"),
    "drop_rate_emb": ("drop_rate_emb", "embd_pdrop"),
    "drop_rate_attn": ("drop_rate_attn", "attn_pdrop"),
    "drop_rate_shortcut": ("drop_rate_shortcut",),
}
# transformers knows several names for one function. "gelu" is the exact one everywhere.
_ACTIVATIONS = {
    **dict.fromkeys(("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate", "gelu_python_tanh"), "gelu_tanh"),
    **dict.fromkeys(("gelu_tanh",), "gelu_tanh"),
    **dict.fromkeys(("gelu", "gelu_python"), "gelu"),
    "relu": "relu",
}


@dataclass(frozen=True)
class Said:
    """What the caller says about a file that does not say it, or says it wrongly; None leaves it to the file."""

    activation: str | None = None
    n_heads: int | None = None


def setting(settings: Mapping[str, Any], name: str) -> Any:
    """A setting by the name it has in GPTConfig, None where the file leaves it out or has null."""
    return next((settings[key] for key in _SETTING_NAMES[name] if settings.get(key) is not None), None)


def work_out_config(
    named: Named, layout: Layout, settings: Mapping[str, Any], said: Said, n_tokens: int
) -> tuple[GPTConfig, list[str]]:
    """The configuration of a file's model whose vocabulary has n_tokens (0: unknown), and what had to be assumed.

    Raises WeightsError where settings and tensors do not agree, or do not make a model, and ValueError where the
    caller's number of heads does not.
    """
    tensors, notes = named.tensors, _notes_on_what_is_left_out(named, settings)
    if settings.get("add_cross_attention"):
        raise WeightsError(
            "The configuration sets add_cross_attention, which the chapter's model has not: it would be wrong."
        )
    rows, emb_dim = layout.shape(tensors, "tok_emb.weight")
    sizes = {
        "context_length": layout.shape(tensors, "pos_emb.weight")[0],
        "emb_dim": emb_dim,
        "n_layers": layout.count_blocks(tensors),
        "inner_dim": layout.shape(tensors, "trf_blocks.0.ff.layers.0.weight")[1 if layout.transposed else 0],
    }
    for name, found in sizes.items():
        _check_agreement(name, setting(settings, name), found)
    inner_dim = sizes["inner_dim"]
    tied_head = _has_tied_head(tensors, layout, settings)
    n_heads = _n_heads(emb_dim, settings, said, notes)
    try:
        config = GPTConfig(
            vocab_size=_vocab_size(rows, setting(settings, "vocab_size"), n_tokens, notes),
            context_length=sizes["context_length"],
            emb_dim=emb_dim,
            n_heads=n_heads,
            n_layers=sizes["n_layers"],
            qkv_bias=_has_qkv_bias(tensors, layout, settings),
            tied_head=tied_head,
            inner_dim=None if inner_dim == 4 * emb_dim else inner_dim,
            activation=_activation(named, layout, settings, said, tied_head, notes),
            **_other_settings(settings),
            **_drop_rates(settings),
        )
    except (ValueError, TypeError) as error:
        raise WeightsError(f"The settings beside the tensors do not make a model: {error}") from error
    return config, notes


def _notes_on_what_is_left_out(named: Named, settings: Mapping[str, Any]) -> list[str]:
    notes = [f"{head} stands beside the language model and is left out." for head in named.second_heads]
    model_type = settings.get("model_type")
    if is_another_architecture(model_type):
        notes.append(
            f"config.json calls the model {model_type}: read as a GPT-2, whose names and shapes its tensors have."
        )
    return notes


def _check_agreement(name: str, stated: object, found: int) -> None:
    if stated not in (None, found):
        raise WeightsError(
            f"The configuration says {name} is {stated}, the tensors say {found}: they belong to different models."
        )


def _vocab_size(rows: int, stated: object, n_tokens: int, notes: list[str]) -> int:
    """How many of the embedding's rows are tokens. Rows that neither settings nor vocabulary count are padding."""
    if isinstance(stated, int) and stated > rows:
        _check_agreement("vocab_size", stated, rows)
    counted = max(n_tokens, stated if isinstance(stated, int) else 0)
    if counted in (0, rows) or (stated is None and rows - counted >= _MOST_PADDING):
        return rows
    if rows - counted >= _MOST_PADDING:
        _check_agreement("vocab_size", stated, rows)
    notes.append(f"Rows of padding without a token are left out: the last {rows - counted} of {rows} rows.")
    return counted


def _n_heads(emb_dim: int, settings: Mapping[str, Any], said: Said, notes: list[str]) -> Any:
    if said.n_heads is not None:
        if emb_dim % said.n_heads:
            raise ValueError(f"n_heads is {said.n_heads}: it has to divide the model's {emb_dim} dimensions.")
        return said.n_heads
    stated = setting(settings, "n_heads")
    if stated is not None:
        return stated
    n_heads = max(1, emb_dim // _HEAD_DIM)
    notes.append(
        f"The number of heads is not in the file: assumed {n_heads}, one for every {_HEAD_DIM} dimensions. "
        f'If that is wrong, write "n_head": N into a config.json beside it, or give n_heads.'
    )
    return n_heads


def _activation(
    named: Named, layout: Layout, settings: Mapping[str, Any], said: Said, tied_head: bool, notes: list[str]
) -> str:
    stated = setting(settings, "activation")
    if said.activation is not None:
        return said.activation
    if stated is not None:
        if not isinstance(stated, str) or stated not in _ACTIVATIONS:
            raise ValueError(f"activation_function is {stated}: the models here compute GELU or ReLU.")
        return _ACTIVATIONS[stated]
    if layout.name != "nanoGPT":
        return GPTConfig.activation
    if tied_head and not named.has_masks:
        which, other, why = "gelu", "tanh", "as nanoGPT of today, because its head is tied and it holds no masks"
    else:
        why = "its head is not tied" if not tied_head else "it holds masks"
        which, other, why = "gelu_tanh", "exact", f"as minGPT and older nanoGPTs, because {why}"
    name = {"gelu": "the exact GELU", "gelu_tanh": "the tanh form of GELU"}[which]
    notes.append(
        f"The file does not say which GELU it was trained with: read with {name}, {why}. If its text is poor, try the "
        f"{other} one."
    )
    return which


def _other_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    names = ("norm_eps", "scale_by_head_dim", "scale_by_layer")
    return {name: setting(settings, name) for name in names if setting(settings, name) is not None}


def _drop_rates(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The common rate, and those that differ from it."""
    common = setting(settings, "drop_rate")
    common = GPTConfig.drop_rate if common is None else common
    # save_model writes drop_rate: then the rates without one of their own are it, whatever transformers is told.
    own_names = "drop_rate" in settings
    rates = {"drop_rate": common}
    for name in ("drop_rate_emb", "drop_rate_attn", "drop_rate_shortcut"):
        stated = settings.get(name) if own_names else setting(settings, name)
        if stated is not None and (own_names or stated != common):
            rates[name] = stated
    return rates


def _has_qkv_bias(tensors: Mapping[str, StoredTensor], layout: Layout, settings: Mapping[str, Any]) -> bool:
    # save_model writes zeros where the model has no bias, because transformers knows no other way.
    if settings.get("qkv_bias") is False:
        return False
    blocks = range(layout.count_blocks(tensors))
    return any(layout.file_names(f"trf_blocks.{layer}.att.W_qkv.bias")[0] in tensors for layer in blocks)


def _has_tied_head(tensors: Mapping[str, StoredTensor], layout: Layout, settings: Mapping[str, Any]) -> bool:
    """Whether the head is the token embedding: not in the file, one tensor with it, or a copy with equal numbers."""
    (embedding,) = layout.file_names("tok_emb.weight")
    (head,) = layout.file_names("out_head.weight")
    stated = setting(settings, "tied_head")
    if head not in tensors:
        if stated is False:
            raise WeightsError(f"{head} is missing, and the configuration says it is not the token embedding.")
        return True
    if tensors[head].full_name == tensors[embedding].full_name:
        return stated is not False
    tied = layout.name != "book" if stated is None else bool(stated)
    if not tied or tensors[head].shape != tensors[embedding].shape:
        return False
    return tensors[head].equals(tensors[embedding])

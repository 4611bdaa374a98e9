"""Layouts, number formats, settings and wrappers that are a GPT-2 and open as one."""

import torch

from .kinds import Opens
from .making import SQUARE
from .opening_files import (
    blob,
    book_settings,
    book_with_a_cache,
    book_with_torchs_norms,
    both_formats,
    checkpoint,
    config_in,
    configured,
    dtype,
    extra,
    fast_book,
    head_twice,
    heads,
    hub_cache,
    layout,
    nanogpt,
    nanogpt_metadata,
    nanogpt_with,
    nanogpt_without_biases,
    odd_name,
    one_level_down,
    only_the_head,
    our_own_state_dict,
    prefixed,
    said,
    saved_by_transformers,
    sharded,
    tied_by_safetensors,
    trainer_output,
)

OPENS = {
    "Hugging Face, as transformers saves it": Opens(saved_by_transformers),
    "Hugging Face without prefix, with masks": Opens(layout("huggingface without prefix")),
    "Hugging Face, untied": Opens(layout("huggingface", tied=False), config={"tied_head": False}),
    "Hugging Face, every matrix square": Opens(layout("huggingface", shape=SQUARE)),
    "the book": Opens(layout("book"), config={"tied_head": False, "activation": "gelu_tanh"}),
    "the book, every matrix square": Opens(layout("book", shape=SQUARE)),
    "the book, faster variant": Opens(fast_book, config={"qkv_bias": True}),
    "the book, torch's LayerNorm": Opens(book_with_torchs_norms),
    "the book, with a saved key-value cache": Opens(book_with_a_cache),
    "the book, its own settings": Opens(
        book_settings, config={"drop_rate_emb": 0.2, "drop_rate_attn": 0.0, "drop_rate_shortcut": 0.3}
    ),
    "a state_dict of this GPTModel": Opens(our_own_state_dict),
    "nanoGPT, tied head once": Opens(
        lambda folder: nanogpt(folder, "gelu", twice=False), "exact GELU", {"activation": "gelu", "tied_head": True}
    ),
    "nanoGPT, tied head twice": Opens(lambda folder: nanogpt(folder, "gelu"), "exact GELU", {"tied_head": True}),
    "nanoGPT, compiled": Opens(layout("nanogpt compiled", activation_function="gelu"), "exact GELU"),
    "nanoGPT, every matrix square": Opens(layout("nanogpt", shape=SQUARE, activation_function="gelu"), "exact GELU"),
    "nanoGPT without biases": Opens(nanogpt_without_biases, "exact GELU", {"qkv_bias": False, "drop_rate": 0.0}),
    "nanoGPT with model_args in the metadata": Opens(nanogpt_metadata, "exact GELU", {"n_heads": 3}),
    "minGPT: untied, with masks": Opens(
        lambda folder: nanogpt(folder, "gelu_new", tied=False, masks=True), "tanh", {"activation": "gelu_tanh"}
    ),
    "nanoGPT of old, with masks": Opens(
        lambda folder: nanogpt(folder, "gelu_new", masks=True), "tanh", {"activation": "gelu_tanh"}
    ),
    "nanoGPT, the caller says tanh": Opens(nanogpt_with(activation="gelu_tanh"), config={"activation": "gelu_tanh"}),
    "nanoGPT, config.json says tanh": Opens(nanogpt_with(activation_function="gelu_new")),
    "float16": Opens(dtype(torch.float16)),
    "bfloat16": Opens(dtype(torch.bfloat16)),
    "float64": Opens(dtype(torch.float64)),
    "shards and their index": Opens(sharded()),
    "the path of the index": Opens(sharded("model.safetensors.index.json")),
    "shards without an index": Opens(sharded(lose_index=True)),
    "tied by safetensors.save_model, Hugging Face": Opens(
        tied_by_safetensors("huggingface"), config={"tied_head": True}
    ),
    "tied by safetensors.save_model, the book": Opens(tied_by_safetensors("book"), config={"tied_head": True}),
    "tied by safetensors.save_model, nanoGPT": Opens(tied_by_safetensors("nanogpt"), "exact GELU", {"tied_head": True}),
    "only lm_head.weight, no word why": Opens(only_the_head, config={"tied_head": True}),
    "a tied head stored twice": Opens(head_twice, config={"tied_head": True}),
    "prefix model.": Opens(prefixed("model.")),
    "prefix gpt.": Opens(prefixed("gpt.")),
    "prefix gpt. without transformer.": Opens(prefixed("gpt.", bare=True)),
    "prefix _forward_module.": Opens(prefixed("_forward_module.")),
    "prefix module._orig_mod.": Opens(prefixed("module._orig_mod.")),
    "prefix of somebody's own": Opens(prefixed("student.net.")),
    "config.json with a byte-order mark": Opens(config_in("utf-8-sig")),
    "config.json in UTF-16": Opens(config_in("utf-16")),
    "settings that are null": Opens(
        said(
            **dict.fromkeys(["resid_pdrop", "embd_pdrop", "tie_word_embeddings", "activation_function", "n_inner"]),
            layer_norm_epsilon=None,
            scale_attn_weights=None,
            model_type=None,
            n_ctx=None,
        )
    ),
    "settings of an older transformers": Opens(said(n_ctx=24, summary_type="cls_index", predict_special_tokens=True)),
    "another hidden width": Opens(configured(n_inner=80), config={"inner_dim": 80}),
    "a hidden width of 4 d, written out": Opens(configured(n_inner=192), config={"inner_dim": None}),
    "exact GELU": Opens(configured(activation_function="gelu"), config={"activation": "gelu"}),
    "tanh GELU by another name": Opens(configured(activation_function="gelu_pytorch_tanh")),
    "tanh GELU by a third name": Opens(configured(activation_function="gelu_fast")),
    "ReLU": Opens(configured(activation_function="relu"), config={"activation": "relu"}),
    "another epsilon": Opens(configured(layer_norm_epsilon=1e-3), config={"norm_eps": 1e-3}),
    "scores divided by the layer": Opens(
        configured(scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True),
        config={"scale_by_layer": True},
    ),
    "scores not divided": Opens(configured(scale_attn_weights=False), config={"scale_by_head_dim": False}),
    "everything else than the chapter": Opens(
        configured(
            n_inner=100,
            activation_function="relu",
            layer_norm_epsilon=1e-6,
            scale_attn_weights=False,
            scale_attn_by_inverse_layer_idx=True,
            resid_pdrop=0.2,
            attn_pdrop=0.0,
            embd_pdrop=0.3,
        ),
        config={"drop_rate": 0.2, "drop_rate_attn": 0.0, "drop_rate_emb": 0.3},
    ),
    "heads that nothing names": Opens(heads(1), 'write "n_head"', {"n_heads": 1}),
    "heads that the caller names": Opens(heads(3, n_heads=3), config={"n_heads": 3}),
    "a model_type of somebody's own": Opens(said(model_type="my-gpt"), "my-gpt"),
    "a model_type that is no name": Opens(said(model_type=["gpt2"]), "config.json calls the model"),
    "a language model with a second head": Opens(
        extra(multiple_choice_head__summary__weight=(1, 64), multiple_choice_head__summary__bias=(1,)),
        "multiple_choice_head",
    ),
    "a language model with a value head": Opens(
        extra(v_head__summary__weight=(1, 64), v_head__summary__bias=(1,)), "v_head"
    ),
    "a file of another name, alone": Opens(odd_name),
    "a file without a suffix": Opens(blob),
    "a Trainer's checkpoint": Opens(checkpoint),
    "a Trainer's output folder": Opens(trainer_output, "checkpoint-100"),
    "a Hub cache folder": Opens(hub_cache("models--someone--gpt2")),
    "a Hub cache's snapshots": Opens(hub_cache("models--someone--gpt2/snapshots"), "aaaa"),
    "a Hub cache, one model in it": Opens(hub_cache(""), "models--someone--gpt2"),
    "a folder with the pickle beside": Opens(both_formats),
    "a model one level down": Opens(one_level_down, "final"),
}

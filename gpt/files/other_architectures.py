"""Models that are no GPT-2 language model, named for what they are by their settings or the names of their tensors."""

import re
from collections.abc import Mapping
from typing import Any

from .stored_tensors import StoredTensor, WeightsError

# What transformers calls an architecture, and what people call it.
_ARCHITECTURES = {
    "openai-gpt": "GPT-1", "gpt_neo": "GPT-Neo", "gptj": "GPT-J", "gpt_neox": "GPT-NeoX", "gpt_bigcode": "GPT-BigCode",
    "gpt_oss": "GPT-OSS", "imagegpt": "Image GPT", "decision_transformer": "Decision Transformer", "codegen": "CodeGen",
    "biogpt": "BioGPT", "ctrl": "CTRL", "llama": "Llama", "mistral": "Mistral", "mixtral": "Mixtral", "qwen2": "Qwen2",
    "qwen3": "Qwen3", "gemma": "Gemma", "gemma2": "Gemma 2", "gemma3": "Gemma 3", "gemma3_text": "Gemma 3",
    "phi": "Phi", "phi3": "Phi-3", "falcon": "Falcon", "bloom": "BLOOM", "opt": "OPT", "mpt": "MPT", "xglm": "XGLM",
    "mamba": "Mamba", "rwkv": "RWKV", "bert": "BERT", "roberta": "RoBERTa", "distilbert": "DistilBERT",
    "albert": "ALBERT", "electra": "ELECTRA", "deberta-v2": "DeBERTa", "t5": "T5", "bart": "BART", "whisper": "Whisper",
    "clip": "CLIP", "vit": "ViT", "stablelm": "StableLM", "olmo": "OLMo", "smollm3": "SmolLM3",
}  # fmt: skip
# Tensors that only one family has, for files without settings.
_SIGNS = {
    r"\.attn\.attention\.q_proj\.": "GPT-Neo",
    r"(^|\.)gpt_neox\.": "GPT-NeoX",
    r"(^|\.)h\.\d+\.attn\.q_proj\.": "GPT-J",
    r"(^|\.)embeddings\.word_embeddings\.": "BERT",
    r"(^|\.)tokens_embed\.": "GPT-1",
    r"(^|\.)word_embeddings_layernorm\.": "BLOOM",
    r"(^|\.)block\.\d+\.layer\.\d+\.SelfAttention\.": "T5",
    r"(^|\.)decoder\.embed_positions\.": "OPT",
    r"(^|\.)layers\.\d+\.self_attn\.q_proj\.weight": "Llama, or one of its relatives",  # last: OPT has these too
}
_ADAPTER = re.compile(r"(^|\.)(lora_[AB]|lora_embedding_[AB]|lora\.[AB]|prompt_encoder|prompt_embeddings|ia3_l)(\.|$)")
_BOOKS_LORA = re.compile(r"\.lora\.[AB]$")
_QUANTISED = re.compile(
    r"\.(qweight|qzeros|g_idx|SCB|absmax|quant_map|nested_absmax|quant_state\..*|weight_scale|weight_scale_inv)$"
)
_QUANTISED_DTYPES = ("I8", "U8", "F8_E4M3", "F8_E5M2")


def refuse_strangers(tensors: Mapping[str, StoredTensor], settings: Mapping[str, Any]) -> None:
    """Raises WeightsError for a model of another kind; tensors stand under their names in the file."""
    _refuse_adapters(tensors, settings)
    _refuse_quantised(tensors, settings)
    model_type = str(settings.get("model_type"))
    if model_type in _ARCHITECTURES:
        raise WeightsError(
            f"This is {_ARCHITECTURES[model_type]} (config.json says model_type is {model_type}), not a GPT-2: "
            f"choose a model of the GPT-2 architecture."
        )
    _refuse_other_heads(tensors)
    for sign, name in _SIGNS.items():
        found = next((tensor for tensor in tensors if re.search(sign, tensor)), None)
        if found is not None:
            raise WeightsError(f"This is {name} ({found}), not a GPT-2: choose a model of the GPT-2 architecture.")


def is_another_architecture(model_type: object) -> bool:
    """Whether settings call a model something else than a GPT-2; a name of somebody's own may still be one."""
    return model_type is not None and model_type not in ("gpt2", "")


def _refuse_adapters(tensors: Mapping[str, StoredTensor], settings: Mapping[str, Any]) -> None:
    stated = settings.get("peft_type")
    if stated is None and not any(map(_ADAPTER.search, tensors)):
        return
    if any(map(_BOOKS_LORA.search, tensors)) and any("tok_emb" in name for name in tensors):
        raise WeightsError(
            "This is the book's model with the LoRA layers of its appendix E not merged: add alpha · "
            "(lora.A @ lora.B).T to each linear.weight, call the sums .weight, and save them without the LoRA layers."
        )
    kind = "a LoRA adapter" if str(stated or "LORA").upper() == "LORA" else "an adapter"
    base = settings.get("base_model_name_or_path")
    raise WeightsError(
        f"This is {kind}{f' for {base}' if base else ''}, not a whole model: merge it into its base model "
        f"(with peft: merge_and_unload) and save that."
    )


def _refuse_quantised(tensors: Mapping[str, StoredTensor], settings: Mapping[str, Any]) -> None:
    stated = settings.get("quantization_config")
    method = str(stated.get("quant_method") or "another method") if stated and isinstance(stated, dict) else None
    found = next((name for name, tensor in tensors.items() if _is_quantised(name, tensor)), None)
    if method or found:
        raise WeightsError(
            f"Its weights are quantised ({method or found}): take the model in float32, float16 or bfloat16, and "
            f"choose int8 or bfloat16 when it is opened."
        )


def _is_quantised(name: str, tensor: StoredTensor) -> bool:
    is_matrix = name.endswith(".weight") and len(tensor.shape) == 2
    return bool(_QUANTISED.search(name)) or (is_matrix and tensor.dtype in _QUANTISED_DTYPES)


def _refuse_other_heads(tensors: Mapping[str, StoredTensor]) -> None:
    """A body of GPT-2 under a head that says something else than the next token."""
    for name, tensor in tensors.items():
        head = name.rpartition("module.")[2]
        n = tensor.shape[0] if tensor.shape else 0
        if head == "v_head.weight" or (head == "score.weight" and n == 1):
            what = "a reward model"
        elif head == "score.weight":
            what = f"a classifier of texts into {n} classes"
        elif head == "classifier.weight":
            what = f"a classifier of tokens into {n} classes"
        elif head == "qa_outputs.weight":
            what = "a model that finds answers to questions in a text"
        else:
            continue
        raise WeightsError(f"This is {what} ({head}), not a language model: choose one that predicts the next token.")


_TOKENS_TO_A_CLASS = 10  # at least, in a vocabulary beside a classifier's head without bias


def refuse_book_classifier(tensors: Mapping[str, StoredTensor]) -> None:
    """Raises WeightsError for chapter 6's classifier, whose head has a row for each class; tensors by layout name."""
    head, embedding = tensors.get("out_head.weight"), tensors.get("tok_emb.weight")
    if head is None or embedding is None or head.shape[1:] != embedding.shape[1:] or head.shape == embedding.shape:
        return
    # A head without bias may also be the vocabulary's, cut off; that of a classifier is much smaller.
    if "out_head.bias" in tensors or head.shape[0] * _TOKENS_TO_A_CLASS <= embedding.shape[0]:
        raise WeightsError(
            f"This is the book's classifier of chapter 6, whose head tells {head.shape[0]} classes apart, not a "
            f"language model: choose the model it was fine-tuned from."
        )

"""Files as other programs write them, made from transformers' own GPT-2 with random weights."""

import json
import re
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

# emb_dim 1 x 64 makes n_heads guessable; 3 heads of 16 have to be told.
SMALL = {"vocab_size": 101, "n_positions": 24, "n_embd": 64, "n_layer": 2, "n_head": 1}
ODD = {"vocab_size": 77, "n_positions": 19, "n_embd": 48, "n_layer": 3, "n_head": 3}
# 64 rows, 64 positions, 64 numbers a token: only names tell the tensors apart.
SQUARE = {"vocab_size": 64, "n_positions": 64, "n_embd": 64, "n_layer": 1, "n_head": 2}
LAYOUTS = ("huggingface", "huggingface without prefix", "book", "nanogpt", "nanogpt compiled")

Tensors = dict[str, Tensor]


def random_reference(tied: bool = True, **settings: object) -> GPT2LMHeadModel:
    """transformers' GPT-2 with every parameter random, biases and norms too, so that each one is seen to matter."""
    torch.manual_seed(0)
    config = GPT2Config(**SMALL | settings, tie_word_embeddings=tied, bos_token_id=None, eos_token_id=None)
    model = GPT2LMHeadModel(config).eval()
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=float("ln" in name and "weight" in name), std=0.1)
    return model


def reference_tensors(reference: GPT2LMHeadModel) -> Tensors:
    """transformers' own tensors as save_pretrained writes them."""
    tensors = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    if reference.config.tie_word_embeddings:
        del tensors["lm_head.weight"]
    return tensors


def without_prefix(tensors: Tensors) -> Tensors:
    return {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}


def transposed(tensors: Tensors) -> Tensors:
    """The matrices as (out, in), as nanoGPT keeps them."""
    return {
        name: tensor.t().contiguous() if re.search(r"c_(attn|proj|fc)\.weight$", name) else tensor
        for name, tensor in tensors.items()
    }


def mask(reference: GPT2LMHeadModel) -> Tensor:
    """The causal mask that GPT-2's code keeps as a buffer, (1, 1, t, t)."""
    t = reference.config.n_positions
    return torch.ones(t, t).tril()[None, None]


def in_layout(reference: GPT2LMHeadModel, layout: str) -> Tensors:
    """The reference's tensors as another program would write them, masks included."""
    tensors = reference_tensors(reference)
    if layout == "huggingface":
        return tensors
    if layout == "huggingface without prefix":
        return without_prefix(tensors) | {
            "h.0.attn.bias": mask(reference),
            "h.0.attn.masked_bias": torch.tensor(-1e4),
        }
    if layout == "book":
        return book_tensors(reference) | {"trf_blocks.0.att.mask": mask(reference)[0, 0]}
    prefix = "_orig_mod." if layout == "nanogpt compiled" else ""
    head = {"lm_head.weight": reference.lm_head.weight.detach().clone()}  # nanoGPT keeps a tied head twice
    return {prefix + name: tensor for name, tensor in (transposed(tensors) | head).items()}


def book_tensors(reference: GPT2LMHeadModel) -> Tensors:
    """Chapter 5's load_weights_into_gpt, backwards: separate query, key and value, matrices (out, in)."""
    bare = without_prefix(transposed(reference_tensors(reference)))
    names = {"wte.weight": "tok_emb.weight", "wpe.weight": "pos_emb.weight", "lm_head.weight": "out_head.weight"}
    names |= {"ln_f.weight": "final_norm.scale", "ln_f.bias": "final_norm.shift"}
    modules = {"attn.c_proj": "att.out_proj", "mlp.c_fc": "ff.layers.0", "mlp.c_proj": "ff.layers.2"}
    tensors = {}
    for name, tensor in bare.items():
        if name in names:
            tensors[names[name]] = tensor
            continue
        layer, module, leaf = re.fullmatch(r"h\.(\d+)\.(.*)\.(weight|bias)", name).groups()
        block = f"trf_blocks.{layer}"
        if module.startswith("ln_"):
            tensors[f"{block}.norm{module[-1]}.{'scale' if leaf == 'weight' else 'shift'}"] = tensor
        elif module == "attn.c_attn":
            for which, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                tensors[f"{block}.att.W_{which}.{leaf}"] = piece.clone()
        else:
            tensors[f"{block}.{modules[module]}.{leaf}"] = tensor
    if "out_head.weight" not in tensors:  # the book keeps two copies
        tensors["out_head.weight"] = tensors["tok_emb.weight"].clone()
    return tensors


def fast_book_tensors(reference: GPT2LMHeadModel) -> Tensors:
    """The names of the book's bonus classes: one matrix for query, key and value, and torch's own LayerNorm."""
    tensors: Tensors = {}
    for name, tensor in book_tensors(reference).items():
        if match := re.fullmatch(r"(.*\.att)\.W_(query|key|value)\.(weight|bias)", name):
            whole = f"{match[1]}.qkv.{match[3]}"  # the three come in this order
            tensors[whole] = torch.cat([tensors[whole], tensor]) if whole in tensors else tensor
        else:
            tensors[name.replace("out_proj", "proj").replace(".scale", ".weight").replace(".shift", ".bias")] = tensor
    return tensors


def write(folder: Path, tensors: Tensors, metadata: dict[str, str] | None = None, **settings: object) -> Path:
    """A folder with model.safetensors and, given settings, config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata)
    if settings:
        (folder / "config.json").write_text(json.dumps(settings))
    return folder


def settings_of(reference: GPT2LMHeadModel) -> dict[str, object]:
    """What transformers writes into config.json."""
    return reference.config.to_dict()

"""Files that are no GPT-2, or none that can be opened, as people have them."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

from .kinds import as_written
from .making import (
    Tensors,
    book_tensors,
    in_layout,
    random_reference,
    reference_tensors,
    transposed,
    without_prefix,
    write,
)

SIZES = {
    "vocab_size": 101,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 24,
    "pad_token_id": 0,
}
GPT_SIZES = {
    "vocab_size": 101,
    "n_positions": 24,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 2,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def of_transformers(name: str, **settings: object) -> Callable[[Path], Path]:
    """A small model of another class of transformers, as its save_pretrained writes it."""

    def make(folder: Path) -> Path:
        model_class = getattr(transformers, name)
        torch.manual_seed(0)
        model_class(model_class.config_class(**settings)).save_pretrained(folder)
        return folder

    return make


def stripped(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """The same without config.json: only the names of its tensors say what it is."""

    def strip(folder: Path) -> Path:
        (make(folder) / "config.json").unlink()
        return folder

    return strip


def tensors(
    change: Callable[[Tensors], Tensors], layout: str = "huggingface", **said: object
) -> Callable[[Path], Path]:
    """A usual model with its tensors changed, and its settings where any are said."""

    def make(folder: Path) -> Path:
        reference = random_reference()
        return as_written(folder, reference, change(in_layout(reference, layout)), **said).path

    return make


def beside(**changes: object) -> Callable[[Path], Path]:
    return tensors(dict, **changes)


def with_tensor(name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Callable[[Path], Path]:
    return tensors(lambda usual: usual | {name: torch.ones(shape, dtype=dtype)})


def spoilt(name: str, value: float, dtype: torch.dtype = torch.float32) -> Callable[[Path], Path]:
    """One number of one tensor is not finite, or too large for float32."""

    def spoil(usual: Tensors) -> Tensors:
        spoiled = usual[name].to(dtype).clone()
        spoiled.view(-1)[-1] = value
        return usual | {name: spoiled}

    return tensors(spoil)


def renamed(change: Callable[[str], str], only: str = "") -> Callable[[Tensors], Tensors]:
    return lambda usual: {change(name) if only in name else name: tensor for name, tensor in usual.items()}


# Adapters and quantised weights


def adapter(folder: Path) -> Path:
    low_rank = {
        f"base_model.model.transformer.h.{layer}.attn.c_attn.lora_{side}.weight": torch.zeros(shape)
        for layer in range(2)
        for side, shape in (("A", (4, 64)), ("B", (192, 4)))
    }
    folder.mkdir(exist_ok=True)
    save_file(low_rank, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "base_model_name_or_path": "openai-community/gpt2"}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def adapter_file(folder: Path) -> Path:
    return (adapter(folder) / "adapter_model.safetensors").rename(folder / "mine.safetensors")


def books_lora(usual: Tensors) -> Tensors:
    name = "trf_blocks.0.att.W_query"
    low_rank = {f"{name}.lora.A": torch.zeros(64, 4), f"{name}.lora.B": torch.zeros(4, 64)}
    return renamed(lambda old: old.replace(".weight", ".linear.weight"), name)(usual) | low_rank


def gptq(usual: Tensors) -> Tensors:
    name = "transformer.h.0.attn.c_attn"
    kept = {other: tensor for other, tensor in usual.items() if other != f"{name}.weight"}
    return kept | {
        f"{name}.qweight": torch.zeros(8, 192, dtype=torch.int32),
        f"{name}.qzeros": torch.zeros(1, 24, dtype=torch.int32),
        f"{name}.scales": torch.zeros(1, 192, dtype=torch.float16),
    }


def eight_bits(usual: Tensors) -> Tensors:
    name = "transformer.h.0.attn.c_attn.weight"
    return usual | {name: usual[name].to(torch.int8), "transformer.h.0.attn.c_attn.SCB": torch.ones(192)}


def float8(usual: Tensors) -> Tensors:
    name = "transformer.h.0.mlp.c_fc.weight"
    return usual | {name: usual[name].to(torch.float8_e4m3fn)}


# Classifiers


def book_classifier(folder: Path) -> Path:
    usual = book_tensors(random_reference())
    return write(folder, usual | {"out_head.weight": torch.zeros(2, 64), "out_head.bias": torch.zeros(2)})


def book_classifier_without_bias(folder: Path) -> Path:
    return write(folder, book_tensors(random_reference()) | {"out_head.weight": torch.zeros(2, 64)})


def deepspeed_reward(folder: Path) -> Path:
    body = {f"rwtransformer.{name}": t for name, t in without_prefix(reference_tensors(random_reference())).items()}
    return write(folder, body | {"v_head.weight": torch.zeros(1, 64)})


# Files that are something else


def file(content: bytes, name: str = "model.safetensors") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        return folder

    return make


def lfs_config(folder: Path) -> Path:
    made = as_written(folder, reference := random_reference(), reference_tensors(reference))
    (folder / "config.json").write_bytes(LFS)
    return made.path


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 548105171\n"


def truncated(folder: Path) -> Path:
    made = as_written(folder, reference := random_reference(), reference_tensors(reference))
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-1000])
    return made.path


def pickled(name: str, make: Callable[[Tensors], object] = dict) -> Callable[[Path], Path]:
    def write_pickle(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(make(transposed(reference_tensors(random_reference()))), folder / name)
        return folder

    return write_pickle


def pickled_shards(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    tensors = list(transposed(reference_tensors(random_reference())).items())
    for number, some in enumerate((tensors[:9], tensors[9:]), 1):
        torch.save(dict(some), folder / f"pytorch_model-{number:05}-of-00002.bin")
    return folder


def only(*names: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_bytes(b"GGUF" if name.endswith("gguf") else b"\x80")
        return folder

    return make


# Folders and shards


def shards(change: Callable[[Path, list[Path]], Path]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        random_reference().save_pretrained(folder, max_shard_size="100KB")
        return change(folder, sorted(folder.glob("*.safetensors")))

    return make


def lose_one(folder: Path, found: list[Path]) -> Path:
    found[1].unlink()
    return folder


def lose_one_and_the_index(folder: Path, found: list[Path]) -> Path:
    (folder / "model.safetensors.index.json").unlink()
    return lose_one(folder, found)


def lead_outside(folder: Path, found: list[Path]) -> Path:
    index = folder / "model.safetensors.index.json"
    index.write_text(index.read_text().replace(found[0].name, f"../{found[0].name}"))
    found[0].rename(folder.parent / found[0].name)
    return folder


def two_models(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("one", "two"):
        save_file(reference_tensors(random_reference()), folder / f"{name}.safetensors")
    return folder


def two_folders(folder: Path) -> Path:
    for name in ("small", "large"):
        as_written(folder / name, reference := random_reference(), reference_tensors(reference))
    return folder


def two_in_one_file(folder: Path) -> Path:
    usual = reference_tensors(random_reference())
    both = renamed(lambda name: f"policy.{name}")(usual) | renamed(lambda name: f"reference.{name}")(usual)
    return write(folder, {name: tensor.clone() for name, tensor in both.items()})


def file_of(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        return as_written(folder, reference := random_reference(), reference_tensors(reference)).path / name

    return make


def broken_config(text: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        made = as_written(folder, reference := random_reference(), reference_tensors(reference))
        (folder / "config.json").write_text(text)
        return made.path

    return make


def head_bias(usual: Tensors) -> Tensors:
    return usual | {"lm_head.bias": torch.ones(101)}


def interleaved(folder: Path) -> Path:
    """GPTBigCode with a key and a value for every head: nanoGPT's names and shapes, in another order."""
    return of_transformers("GPTBigCodeForCausalLM", **GPT_SIZES, multi_query=False)(folder)

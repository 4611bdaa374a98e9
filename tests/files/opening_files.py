"""Files of a GPT-2 as people have them: its layouts, number formats, settings, wrappers and folders."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_model
from torch import nn

from .kinds import Made, as_written
from .making import (
    ODD,
    Tensors,
    book_tensors,
    fast_book_tensors,
    in_layout,
    mask,
    random_reference,
    reference_tensors,
    settings_of,
    transposed,
    without_prefix,
    write,
)

# Layouts


def layout(name: str, tied: bool = True, shape: dict[str, int] = ODD, **settings: object) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        reference = random_reference(tied, **shape, **settings)
        return Made(write(folder, in_layout(reference, name), n_head=shape["n_head"]), reference)

    return make


def fast_book(folder: Path) -> Made:
    reference = random_reference()
    return Made(write(folder, fast_book_tensors(reference), n_heads=1), reference)


def book_with_torchs_norms(folder: Path) -> Made:
    reference = random_reference()
    tensors = {
        name.replace(".scale", ".weight").replace(".shift", ".bias"): tensor
        for name, tensor in book_tensors(reference).items()
    }
    return Made(write(folder, tensors, n_heads=1), reference)


def book_with_a_cache(folder: Path) -> Made:
    reference = random_reference()
    caches = {f"trf_blocks.0.att.cache_{which}": torch.zeros(1, 1, 5, 64) for which in "kv"}
    return Made(write(folder, book_tensors(reference) | caches, n_heads=1), reference)


def our_own_state_dict(folder: Path) -> Made:
    made = as_written(folder / "first", reference := random_reference(), reference_tensors(random_reference()))
    from gpt import load_model  # noqa: PLC0415  # what is tested makes the file of this kind

    tensors = {name: tensor.clone().contiguous() for name, tensor in load_model(made.path).state_dict().items()}
    return Made(write(folder / "second", tensors, n_heads=1), reference)


def book_settings(folder: Path) -> Made:
    reference = random_reference(**ODD)
    config = {"vocab_size": 77, "context_length": 19, "emb_dim": 48, "n_heads": 3, "n_layers": 3, "qkv_bias": True}
    rates = {"drop_rate_emb": 0.2, "drop_rate_attn": 0.0, "drop_rate_shortcut": 0.3}
    return Made(write(folder, book_tensors(reference), **config, **rates), reference)


# nanoGPT and minGPT keep the same names, and compute different GELUs


def nanogpt(folder: Path, activation: str, tied: bool = True, twice: bool = True, masks: bool = False) -> Made:
    reference = random_reference(tied, activation_function=activation)
    tensors = transposed(reference_tensors(reference))
    if twice:
        tensors["lm_head.weight"] = reference.lm_head.weight.detach().clone()
    if masks:
        tensors |= {f"transformer.h.{layer}.attn.bias": mask(reference) for layer in range(2)}
    return Made(write(folder, tensors, n_head=1), reference)


def nanogpt_with(**options: str) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        made = nanogpt(folder, "gelu_new")
        if "activation" in options:
            return Made(made.path, made.reference, options)
        write(folder, transposed(reference_tensors(made.reference)), n_head=1, **options)
        return made

    return make


def nanogpt_without_biases(folder: Path) -> Made:
    reference = random_reference(activation_function="gelu")
    for name, parameter in reference.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    tensors = {
        name: tensor for name, tensor in transposed(reference_tensors(reference)).items() if not name.endswith(".bias")
    }
    return Made(write(folder, tensors, n_head=1, dropout=0.0, bias=False), reference)


def nanogpt_metadata(folder: Path) -> Made:
    reference = random_reference(**ODD, activation_function="gelu")
    settings = {"n_layer": 3, "n_head": 3, "n_embd": 48, "block_size": 19, "vocab_size": 77, "dropout": 0.0}
    tensors = transposed(reference_tensors(reference))
    return Made(write(folder, tensors, {"model_args": json.dumps(settings)}), reference)


# The same numbers stored otherwise


def dtype(dtype: torch.dtype) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        rounded = random_reference().to(dtype)
        made = as_written(folder, rounded, reference_tensors(rounded))
        return Made(made.path, rounded.float())

    return make


def saved_by_transformers(folder: Path) -> Made:
    reference = random_reference(**ODD)
    reference.save_pretrained(folder)
    return Made(folder, reference)


def sharded(name: str = "", lose_index: bool = False) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        reference = random_reference()
        reference.save_pretrained(folder, max_shard_size="100KB")
        if lose_index:
            (folder / "model.safetensors.index.json").unlink()
        return Made(folder / name, reference)

    return make


def tied_by_safetensors(layout: str) -> Callable[[Path], Made]:
    """As safetensors.torch.save_model writes shared tensors: one of the names, the other in the metadata."""

    def make(folder: Path) -> Made:
        reference = random_reference(activation_function="gelu" if layout == "nanogpt" else "gelu_new")
        holder, tensors = nn.Module(), in_layout(reference, layout)
        kept = {name: nn.Parameter(tensor) for name, tensor in tensors.items() if "mask" not in name}
        embedding, head = ("tok_emb.weight", "out_head.weight") if layout == "book" else (
            "transformer.wte.weight", "lm_head.weight",
        )  # fmt: skip
        kept[head] = kept[embedding]
        holder.state_dict = lambda *_, **__: {name: tensor.data for name, tensor in kept.items()}
        folder.mkdir(exist_ok=True)
        save_model(holder, str(folder / "model.safetensors"))
        (folder / "config.json").write_text(json.dumps({"n_head": 1}))
        return Made(folder, reference)

    return make


def only_the_head(folder: Path) -> Made:
    reference = random_reference()
    tensors = reference_tensors(reference)
    tensors["lm_head.weight"] = tensors.pop("transformer.wte.weight")
    return as_written(folder, reference, tensors)


def head_twice(folder: Path) -> Made:
    reference = random_reference()
    tensors = reference_tensors(reference)
    return as_written(folder, reference, tensors | {"lm_head.weight": tensors["transformer.wte.weight"].clone()})


def prefixed(prefix: str, bare: bool = False) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        reference = random_reference(tied=bare)
        tensors = reference_tensors(reference)
        tensors = without_prefix(tensors) if bare else tensors
        return as_written(folder, reference, {prefix + name: tensor for name, tensor in tensors.items()})

    return make


# Settings


def configured(rows: dict[str, int] | None = None, **settings: object) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        reference = random_reference(**ODD | (rows or {}), **settings)
        return as_written(folder, reference, reference_tensors(reference))

    return make


def said(**changes: object) -> Callable[[Path], Made]:
    """A usual model beside a config.json in which something is said otherwise."""

    def make(folder: Path) -> Made:
        reference = random_reference()
        return as_written(folder, reference, reference_tensors(reference), **changes)

    return make


def config_in(encoding: str) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        made = said()(folder)
        (folder / "config.json").write_text(json.dumps(settings_of(made.reference)), encoding=encoding)
        return made

    return make


def heads(n_head: int, **options: int) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        reference = random_reference(**ODD | {"n_head": n_head})
        write(folder, reference_tensors(reference))
        return Made(folder / "model.safetensors", reference, options)

    return make


def extra(**shapes: tuple[int, ...]) -> Callable[[Path], Made]:
    """A language model with something beside it that is no part of it."""

    def make(folder: Path) -> Made:
        reference = random_reference()
        beside: Tensors = {name.replace("__", "."): torch.ones(shape) for name, shape in shapes.items()}
        return as_written(folder, reference, reference_tensors(reference) | beside)

    return make


# Folders


def odd_name(folder: Path) -> Made:
    made = said()(folder)
    (folder / "model.safetensors").rename(folder / "gpt2-finetuned.safetensors")
    return made


def blob(folder: Path) -> Made:
    made = heads(3, n_heads=3)(folder)
    return Made(made.path.rename(folder / ("0" * 64)), made.reference, made.options)


def checkpoint(folder: Path) -> Made:
    """What transformers' Trainer writes into checkpoint-10."""
    made = said()(folder)
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"):
        torch.save({}, folder / name)
    (folder / "trainer_state.json").write_text("{}")
    return made


def trainer_output(folder: Path) -> Made:
    (folder / "runs").mkdir(parents=True)
    checkpoint_of_before = random_reference(**ODD)
    as_written(folder / "checkpoint-90", checkpoint_of_before, reference_tensors(checkpoint_of_before))
    return Made(folder, checkpoint(folder / "checkpoint-100").reference)


def hub_cache(place: str) -> Callable[[Path], Made]:
    """A model as huggingface_hub keeps it: blobs by their digest, a name for each in snapshots/COMMIT."""

    def make(folder: Path) -> Made:
        home = folder / "models--someone--gpt2"
        made = said()(home / "snapshots" / ("a" * 40))
        (home / "snapshots" / ("b" * 40)).mkdir()  # of an unfinished download of a later version
        (home / "refs").mkdir()
        (home / "refs" / "main").write_text("a" * 40)
        (home / "blobs").mkdir()
        for path in list(made.path.iterdir()):
            path.rename(home / "blobs" / path.name)
            path.symlink_to(Path("../../blobs") / path.name)
        return Made(folder / place, made.reference)

    return make


def both_formats(folder: Path) -> Made:
    made = said()(folder)
    torch.save(reference_tensors(made.reference), folder / "pytorch_model.bin")
    return made


def one_level_down(folder: Path) -> Made:
    (folder / "assets").mkdir(parents=True)
    return Made(folder, said()(folder / "final").reference)

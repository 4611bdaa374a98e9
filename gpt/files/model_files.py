"""Which files under a path are a model's: one file, shards, or a folder that has the model one level down."""

import re
from dataclasses import dataclass
from pathlib import Path

from .stored_tensors import WeightsError, conversion, read_json

_WHOLE, _INDEX, _ADAPTER = "model.safetensors", "model.safetensors.index.json", "adapter_config.json"
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_NOT_MODELS = ("training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "meta.pkl")
_OTHER_FORMATS = {
    ".gguf": "GGUF, the format of llama.cpp",
    ".h5": "TensorFlow's format",
    ".msgpack": "Flax's format",
    ".onnx": "ONNX",
    ".ot": "Rust's format",
}


@dataclass(frozen=True)
class Found:
    """A model's safetensors files, the folder whose other files belong to them, and what had to be chosen."""

    files: tuple[Path, ...]
    folder: Path
    notes: tuple[str, ...] = ()


def find(path: Path) -> Found:
    """The model that a file or a folder is. Raises WeightsError with what is there instead."""
    if path.is_file():
        return Found(_single(path), path.parent)
    if not path.is_dir():
        raise WeightsError(f"There is no file or folder {path}: give the path of a .safetensors file or its folder.")
    files = _in_folder(path)
    if files:
        return Found(files, path)
    return _below(path)


def _single(path: Path) -> tuple[Path, ...]:
    if path.name.endswith(".index.json"):
        return _listed(path)
    if path.suffix == ".json":
        raise WeightsError(f"{path.name} holds settings, not weights: give the folder in which it lies.")
    shard = _SHARD.fullmatch(path.name)
    if shard and int(shard[3]) > 1:
        raise WeightsError(
            f"{path.name} is shard {int(shard[2])} of {int(shard[3])}: give the folder with all of them."
        )
    _refuse_other_formats([path])
    return (path,)


def _in_folder(folder: Path) -> tuple[Path, ...]:
    """The files of the model that lies in this very folder, none where there is none."""
    if (folder / _WHOLE).is_file():
        return (folder / _WHOLE,)
    if (folder / _INDEX).is_file():
        return _listed(folder / _INDEX)
    found = sorted(folder.glob("*.safetensors"))
    shards = [match for match in (_SHARD.fullmatch(file.name) for file in found) if match]
    if shards and len({(shard[1], shard[3]) for shard in shards}) == 1 and len(shards) == len(found):
        return _all_shards(folder, shards[0])
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise WeightsError(f"The folder {folder} holds {names}: give the path of one of them.")
    return tuple(found)


def _all_shards(folder: Path, one: "re.Match[str]") -> tuple[Path, ...]:
    count = int(one[3])
    shards = [folder / f"{one[1]}-{i:05}-of-{count:05}.safetensors" for i in range(1, count + 1)]
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise WeightsError(
            f"{missing[0]} is missing beside the other shards of {count}: put all of them in the folder."
        )
    return tuple(shards)


def _listed(index: Path) -> tuple[Path, ...]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise WeightsError(f"{index.name} has no weight_map, the list of which tensor is in which file.")
    shards = [index.parent / str(name) for name in sorted(set(map(str, names.values())))]
    for shard in shards:
        if shard.parent != index.parent or not shard.is_file():
            raise WeightsError(f"{index.name} lists {shard.name}, which is not in the folder: put all shards there.")
    return tuple(shards)


def _below(folder: Path) -> Found:
    """A Hub cache keeps a model in snapshots/COMMIT, a Trainer in checkpoint-STEP: one level down."""
    snapshot = _snapshot(folder)
    if snapshot is not None:
        return Found(_in_folder(snapshot), snapshot)
    inner = {child: _snapshot(child) or child for child in sorted(folder.iterdir()) if child.is_dir()}
    models = {child: home for child, home in inner.items() if _has_model(home)}
    steps = {int(match[1]): child for child in models if (match := _CHECKPOINT.fullmatch(child.name))}
    if len(models) > 1 and len(steps) < len(models):
        names = ", ".join(child.name for child in models)
        raise WeightsError(f"The folder {folder} holds models in {names}: give the path of one of them.")
    if not models:
        versions = sorted((folder / "snapshots").glob("*"))
        for home in (folder, *reversed(versions), *inner):
            _refuse_other_formats([file for file in sorted(home.glob("*")) if file.is_file()])
        raise WeightsError(f"The folder {folder} holds no .safetensors file: give the folder or the file of a model.")
    chosen = steps[max(steps)] if steps else next(iter(models))
    which = f"the last of {len(models)} checkpoints" if len(models) > 1 else "the only model in the folder"
    return Found(_in_folder(models[chosen]), models[chosen], (f"Opened {chosen.name}, {which}.",))


def _has_model(folder: Path) -> bool:
    return any(folder.glob("*.safetensors")) or (folder / _INDEX).is_file()


def _snapshot(folder: Path) -> Path | None:
    """The version that a model's folder in a Hub cache holds, its main one first; None for any other folder."""
    versions = [child for child in sorted((folder / "snapshots").glob("*")) if _has_model(child)]
    main = folder / "refs" / "main"
    named = folder / "snapshots" / main.read_text().strip() if main.is_file() else None
    if named in versions:
        return named
    return max(versions, key=lambda version: version.stat().st_mtime, default=None)


def _refuse_other_formats(files: list[Path]) -> None:
    """Raises WeightsError for files that hold weights in a format that cannot be opened, and says the way out."""
    if any(file.name == _ADAPTER for file in files):
        raise WeightsError(
            "This is an adapter, not a model: merge it into its base model, and save that as safetensors."
        )
    for file in files:
        if file.suffix in _OTHER_FORMATS:
            raise WeightsError(
                f"{file.name} is in {_OTHER_FORMATS[file.suffix]}, which is not opened here: take the model as "
                f"safetensors."
            )
        if file.suffix in _PICKLES and file.name not in _NOT_MODELS:
            raise WeightsError(conversion(file))

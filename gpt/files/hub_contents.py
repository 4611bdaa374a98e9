"""Which files of a repository on the Hub make a model, and whether it can be opened, told by their first bytes."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from .examined_model import Examined, examine
from .file_config import Said
from .hub_errors import could_not
from .hub_transfer import Check, RemoteFile, look_up, read_start
from .other_architectures import refuse_strangers
from .stored_tensors import StoredTensor, WeightsError, parse_json, settings_in_metadata

_WEIGHTS, _INDEX, _CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
# Which kind of vocabulary there is, in the order in which they are read; the first that exists decides.
_VOCABULARIES = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("spiece.model",),
    ("tokenizer.model",),
)
_BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_NOT_READ = ("vocab.txt", "spiece.model", "tokenizer.model")  # known by their names
_ENOUGH = 2**17  # bytes that hold the header of most files
_INSTEAD = {
    "adapter_config.json": "an adapter, not a model: look for its base model, with the adapter merged into it",
    "pytorch_model.bin": "a PyTorch pickle, which is not opened here: save it as safetensors with transformers",
    "tf_model.h5": "TensorFlow's weights, which are not opened here: save it as safetensors with transformers",
    "flax_model.msgpack": "Flax's weights, which are not opened here: save it as safetensors with transformers",
}


@dataclass(frozen=True)
class Contents:
    """The files of a repository that make its model, small ones first, at one version."""

    repository: str
    commit: str
    files: tuple[RemoteFile, ...]
    settings: Mapping[str, Any]
    vocabulary: Mapping[str, bytes]

    @property
    def weights(self) -> tuple[RemoteFile, ...]:
        """The files with tensors."""
        return tuple(file for file in self.files if file.name.endswith(".safetensors"))


Read = Callable[[RemoteFile], bytes]  # the content of a small file


def look(client: httpx.Client, repository: str, read: Read) -> Contents:
    """Ask the Hub which of a model's files there are. Raises WeightsError where they make none."""
    config = look_up(client, repository, _CONFIG)
    settings = parse_json(read(config), _CONFIG) if config else {}
    refuse_strangers({}, settings)
    weights = _find_weights(client, repository, read)
    if not weights:
        raise _no_weights(client, repository, bool(config))
    vocabulary = list(find_vocabulary(client, repository))
    kept = [file for file in vocabulary if file.name not in _NOT_READ]
    files = (*([config] if config else []), *kept, *weights)
    if len({file.commit for file in files}) > 1:
        raise could_not(repository, "it is being changed right now", "try again")
    contents = {file.name: b"" if file.name in _NOT_READ else read(file) for file in vocabulary}
    return Contents(repository, files[0].commit, files, settings, contents)


def _find_weights(client: httpx.Client, repository: str, read: Read) -> list[RemoteFile]:
    whole = look_up(client, repository, _WEIGHTS)
    if whole:
        return [whole]
    index = look_up(client, repository, _INDEX)
    if index is None:
        return []
    names = parse_json(read(index), _INDEX).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) and "/" not in name for name in names.values()):
        raise WeightsError(f"{_INDEX} of {repository} has no weight_map: choose another model.")
    shards = {name: look_up(client, repository, name) for name in sorted(set(names.values()))}
    missing = next((name for name, shard in shards.items() if shard is None), None)
    if missing:
        raise WeightsError(f"{_INDEX} of {repository} lists {missing}, which is not there: choose another model.")
    return [index, *(shard for shard in shards.values() if shard)]


def _no_weights(client: httpx.Client, repository: str, has_config: bool) -> WeightsError:
    for name, what in _INSTEAD.items():
        if look_up(client, repository, name):
            return WeightsError(f"{repository} holds no {_WEIGHTS} but {name}, {what}.")
    if has_config:
        return WeightsError(f"{repository} holds no {_WEIGHTS}: choose a repository with a model in this format.")
    return WeightsError(f"{repository} is not on the Hub, or holds no {_WEIGHTS}: check the name.")


def find_vocabulary(client: httpx.Client, repository: str, revision: str = "main") -> Iterator[RemoteFile]:
    """The files of a repository that say what its tokens are. Of some it only matters that they exist."""
    for names in _VOCABULARIES:
        found = [file for file in (look_up(client, repository, name, revision) for name in names) if file]
        if found:
            yield from found
            break
    for name in _BESIDE:
        file = look_up(client, repository, name, revision)
        if file:
            yield file


# Judging weights by their header


def examine_remotely(client: httpx.Client, contents: Contents) -> Examined:
    """What the weights are, by reading the start of each file. Raises WeightsError for what cannot be opened."""
    starts = [_read_header(client, contents.repository, file) for file in contents.weights]
    return _judge(contents, starts)


def checker(client: httpx.Client, contents: Contents) -> Callable[[RemoteFile], Check]:
    """For each file, what looks at its first bytes while it arrives: a model that cannot be opened is not downloaded.

    A single file is judged by what has come of it; of several, all are asked for their first bytes before.
    """
    if len(contents.weights) > 1:
        examine_remotely(client, contents)

    def check_of(file: RemoteFile) -> Check:
        if file.name != _WEIGHTS:
            return lambda _: True

        def check(unfinished: Path) -> bool:
            length = _header_length(_start_of(unfinished, 8))
            start = _start_of(unfinished, length)
            if len(start) < 8 or len(start) < length:
                return False
            _judge(contents, [start])
            return True

        return check

    return check_of


def _read_header(client: httpx.Client, repository: str, file: RemoteFile) -> bytes:
    start = read_start(client, repository, file, _ENOUGH)
    length = _header_length(start)
    return start if length <= len(start) else read_start(client, repository, file, length)


def _start_of(file: Path, n_bytes: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(n_bytes)
    except FileNotFoundError:
        return b""


def _header_length(start: bytes) -> int:
    """Bytes up to the end of a safetensors file's header: a number of 8 bytes, and so many more."""
    return 8 + min(struct.unpack("<Q", start[:8])[0], 2**40) if len(start) >= 8 else 8


def _judge(contents: Contents, starts: Sequence[bytes]) -> Examined:
    tensors: dict[str, StoredTensor] = {}
    settings: dict[str, Any] = {}
    for file, start in zip(contents.weights, starts, strict=True):
        in_file, metadata = _parse_header(start, file.name)
        tensors.update(in_file)
        settings.update(settings_in_metadata(metadata))
    return examine(tensors, settings | dict(contents.settings), contents.vocabulary, Said())


def _parse_header(start: bytes, name: str) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """As stored.read_header, from the bytes before the tensors."""
    try:
        header = parse_json(start[8 : _header_length(start)], name)
        metadata = header.pop("__metadata__", None) or {}
        tensors = {
            full_name: StoredTensor(None, full_name, tuple(map(int, found["shape"])), str(found["dtype"]))
            for full_name, found in header.items()
        }
    except (WeightsError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{name} does not begin like a safetensors file: choose another model.") from error
    shared = {other: tensors[kept] for other, kept in metadata.items() if kept in tensors and other not in tensors}
    return tensors | shared, metadata

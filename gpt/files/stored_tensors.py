"""What is stored on the disk: tensors of safetensors files, not read yet, JSON settings, or a file of another kind."""

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape
from math import isfinite, prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

# What weights may be kept in; all of it is computed with in float32 or less.
_DTYPES = ("F64", "F32", "F16", "BF16")
# As many as fit the processor's cache, and few enough that torch uses one thread.
_PIECE_NUMBERS = 2**15
_PICKLES = (b"PK\x03\x04", b"\x80\x02")
_PICKLED_SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})(\.\w+)")
_LFS_POINTER = b"version https://git-lfs"
# The first bytes of files that people have under a name they should not have.
_OTHER_FORMATS = {
    b"GGUF": "a GGUF file under this name: take the safetensors file that it was made from",
    b"\x89HDF": "a TensorFlow or Keras file under this name: save the model as safetensors",
    b"<": "a web page under this name, perhaps one that asks to sign in: download the file again",
}


class WeightsError(Exception):
    """A file that cannot become a GPTModel: says what was found, what was expected and what to do."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a safetensors file, not read yet; shape may leave out rows at the end.

    Without a file it is one that could be downloaded, of which only the header is known.
    """

    file: Path | None
    full_name: str
    shape: tuple[int, ...]
    dtype: str  # as safetensors calls it: F32, F16, BF16, ...
    offset: int = 0  # of its first byte in the file

    def read(self) -> Tensor:
        """The numbers, memory-mapped: pages come in when touched, and are given back together with the tensor."""
        assert self.file is not None, "only the header is here"
        with safe_open(self.file, "pt") as opened:
            tensor: Tensor = opened.get_tensor(self.full_name)
            return tensor[: self.shape[0]]

    def read_float32(self) -> Tensor:
        """The numbers in float32, mapped from the file where that is how they are kept.

        Raises WeightsError for NaN and infinities, and for a format that holds no weights.
        """
        self.check_dtype()
        kept = self.read()
        whole = kept.float()
        # Read from the file and not through the mapping: touching all of its pages would take ten times as long.
        is_finite = self._is_finite_in_file() if kept.dtype is torch.float32 else _is_finite(whole)
        if not is_finite:
            raise WeightsError(
                f"{self.full_name} holds {_what_is_not_finite(kept)}: the training it comes from has diverged, "
                f"or the file is damaged."
            )
        return whole

    def _is_finite_in_file(self) -> bool:
        """Whether all float32 numbers are finite, read piece by piece into the same memory."""
        assert self.file is not None, "only the header is here"
        piece = torch.empty(_PIECE_NUMBERS)
        memory = piece.numpy().data.cast("B")
        missing = 4 * prod(self.shape)
        with self.file.open("rb", buffering=0) as opened:
            opened.seek(self.offset)
            while missing > 0:
                n_bytes = opened.readinto(memory[: min(len(memory), missing)])
                if not n_bytes or not _is_finite(piece[: n_bytes // 4]):
                    return False
                missing -= n_bytes
        return True

    def equals(self, other: "StoredTensor") -> bool:
        """Whether both hold the same numbers; assumed where they are not here yet."""
        if self.file is None or other.file is None or self.full_name == other.full_name:
            return True
        return torch.equal(self.read(), other.read())

    def is_zero(self) -> bool:
        """Whether all numbers are 0; assumed where they are not here yet."""
        return self.file is None or not self.read().any()

    def check_dtype(self) -> None:
        """Raises WeightsError for a format that holds no weights."""
        if self.dtype not in _DTYPES:
            raise WeightsError(
                f"{self.full_name} holds {self.dtype} values: only float32, float16, bfloat16 and float64 weights can "
                f"be opened."
            )


def _is_finite(x: Tensor) -> bool:
    # NaN comes through as both the least and the largest.
    return x.numel() == 0 or all(isfinite(end) for end in torch.aminmax(x))


def _what_is_not_finite(kept: Tensor) -> str:
    if kept.isnan().any():
        return "NaN"
    return "infinite values" if kept.isinf().any() else "numbers too large for float32"


def read_header(file: Path) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """The tensors of a safetensors file by name, unread, and its metadata. Raises WeightsError for another file."""
    tensors = {}
    try:
        with safe_open(file, "pt") as opened:
            offsets = _offsets(file)
            for name in opened.keys():  # noqa: SIM118
                header = opened.get_slice(name)
                shape = tuple(header.get_shape())
                tensors[name] = StoredTensor(file, name, shape, header.get_dtype(), offsets[name])
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(_what_it_is_instead(file, error)) from error
    # Of tensors that share their numbers safetensors keeps one, and notes the names of the others.
    shared = {other: tensors[kept] for other, kept in metadata.items() if kept in tensors and other not in tensors}
    return tensors | shared, metadata


def _offsets(file: Path) -> dict[str, int]:
    """Where each tensor begins in a file that safetensors has found to be right."""
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        header = json.loads(opened.read(length))
    return {name: 8 + length + found["data_offsets"][0] for name, found in header.items() if name != "__metadata__"}


def _what_it_is_instead(file: Path, error: Exception) -> str:
    try:
        with file.open("rb") as opened:
            start = opened.read(100).lstrip()
    except OSError:
        start = b"?"
    if not start:
        return f"{file.name} is empty: download it again."
    if start.startswith(_PICKLES):
        return conversion(file)
    if start.startswith(_LFS_POINTER):
        return f"{file.name} is a Git LFS pointer, not the weights: run git lfs pull in its repository."
    for magic, what in _OTHER_FORMATS.items():
        if start.startswith(magic):
            return f"{file.name} is {what}."
    return (
        f"{file.name} cannot be read as a safetensors file ({error}): it may be another format under this name, or a "
        f"download that broke off."
    )


def conversion(file: Path) -> str:
    """What to do with a pickle, which is never opened here: three lines that write what it holds as safetensors.

    One of several shards gets lines that read all of them.
    """
    target, shard = str(file.parent / "model.safetensors"), _PICKLED_SHARD.fullmatch(file.name)
    if shard:
        what = f"one of {int(shard[2])} PyTorch pickles, which are"
        shards = f"{escape(str(file.parent / shard[1]))}-*-of-{shard[2]}{shard[3]}"
        read = (
            f"from glob import glob; saved = {{k: v for file in glob({shards!r}) for k, v in {_load('file')}.items()}}"
        )
    else:
        what, read = "a PyTorch pickle, which is", f"saved = {_load(repr(str(file)))}"
    return (
        f"{file.name} is {what} not opened here: run these three lines, then open the folder.\n"
        f"import json, torch; from safetensors.torch import save_file; {read}\n"
        f'tensors = next((saved[key] for key in ("model", "model_state_dict", "state_dict") if key in saved), saved)\n'
        f"save_file({{name: tensor.clone().contiguous() for name, tensor in tensors.items()}}, {target!r}, "
        f'{{"model_args": json.dumps(saved.get("model_args", {{}}))}})'
    )


def _load(file: str) -> str:
    return f'torch.load(open({file}, "rb"), "cpu", weights_only=True)'


def parse_json(content: bytes, name: str) -> dict[str, Any]:
    """The JSON object in a file's content, UTF-8 or UTF-16, with a byte-order mark or without.

    Raises WeightsError for anything else.
    """
    if content.startswith(_LFS_POINTER):
        raise WeightsError(f"{name} is a Git LFS pointer, not the file: run git lfs pull in its repository.")
    try:
        read = json.loads(content)
    except ValueError as error:
        raise WeightsError(f"{name} cannot be read as JSON ({error}): repair it or take it away.") from error
    if not isinstance(read, dict):
        raise WeightsError(f"{name} is not a JSON object of settings: repair it or take it away.")
    return read


def read_json(path: Path) -> dict[str, Any]:
    """The settings in a JSON file, none where there is no file. Raises WeightsError for one that cannot be read."""
    try:
        return parse_json(path.read_bytes(), path.name)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be read ({error.strerror}): allow it, or take it away.") from error


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

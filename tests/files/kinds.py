"""What a kind of file is: how to make one, and what is right to do with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor
from transformers import GPT2LMHeadModel

from .making import settings_of, write

Logits = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Made:
    """One file or folder, and who says what its logits are."""

    path: Path
    reference: GPT2LMHeadModel
    options: Mapping[str, object] = field(default_factory=dict)  # for load_model


@dataclass(frozen=True)
class Opens:
    """Right is a model with the reference's logits, these settings, and notes of which one says this or none at all."""

    make: Callable[[Path], Made]
    says: str = ""
    config: Mapping[str, object] = field(default_factory=dict)
    ids: Mapping[str, list[int]] | None = field(default_factory=dict)  # of texts; None: no text is understood


@dataclass(frozen=True)
class Refused:
    """Right is a WeightsError whose sentence has this in it."""

    make: Callable[[Path], Path]
    says: str


def as_written(folder: Path, reference: GPT2LMHeadModel, tensors: Mapping[str, Tensor], **changes: object) -> Made:
    """A folder with these tensors beside the reference's own config.json, changed where it is said."""
    return Made(write(folder, dict(tensors), **settings_of(reference) | changes), reference)

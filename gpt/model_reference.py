"""How a visitor names a model: "name", "name:int8", "path:gelu:4heads", "name:untrained#7" (weights drawn with seed 7).

The name is one of ours, the path of a file or folder, or a repository of the Hub.
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

from .config import ACTIVATIONS
from .engine.precision import PRECISIONS, check_precision
from .files import hub
from .seeding import LARGEST_WEIGHT_SEED

STORYTELLER = "storyteller"
UNTRAINED = "gpt2-124M-untrained"
NAMES = frozenset((STORYTELLER, UNTRAINED, *hub.REPOSITORIES))  # those of our own
STORYTELLER_FOLDER = Path(__file__).parent.parent / "assets" / STORYTELLER
CHAPTER_SEED = 123
LOCAL_FILE = "file:"  # what the name of a local file begins with in a link

_REFERENCE = re.compile(
    rf"(?P<name>.+?)(?::(?P<precision>{'|'.join(PRECISIONS)}))?(?::(?P<activation>{'|'.join(ACTIVATIONS)}))?"
    r"(?::(?P<n_heads>[1-9][0-9]{0,5})heads)?(?P<untrained>:untrained)?(?:#(?P<seed>[0-9]{1,18}))?"
)


@dataclass(frozen=True)
class Reference:
    """A model as a visitor asks for it. `str` gives the text that `parse` reads.

    Raises ValueError for a precision that there is not, and for a weight seed out of range.
    """

    name: str
    precision: str = "float32"
    seed: int = CHAPTER_SEED  # of an untrained model's weights
    activation: str | None = None  # None is what the file says
    n_heads: int | None = None
    untrained: bool = False  # the settings of that model, with weights as a training begins

    def __post_init__(self) -> None:
        check_precision(self.precision)
        is_whole = isinstance(self.seed, int) and not isinstance(self.seed, bool)
        if not is_whole or not 0 <= self.seed <= LARGEST_WEIGHT_SEED:
            largest = f"{LARGEST_WEIGHT_SEED:,}"
            raise ValueError(f"The weight seed is {self.seed}: choose a whole number from 0 to {largest}.")

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Raises ValueError when text is no reference."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise ValueError("No model is named: give one of the names that /models lists.")
        seed, n_heads = match["seed"], match["n_heads"]
        return cls(
            match["name"],
            match["precision"] or "float32",
            CHAPTER_SEED if seed is None else int(seed),
            match["activation"],
            None if n_heads is None else int(n_heads),
            match["untrained"] is not None,
        )

    def __str__(self) -> str:
        said = [] if self.precision == "float32" else [self.precision]
        said += [self.activation] if self.activation else []
        said += [f"{self.n_heads}heads"] if self.n_heads else []
        said += ["untrained"] if self.untrained else []
        return ":".join([self.name, *said]) + ("" if self.seed == CHAPTER_SEED else f"#{self.seed}")

    @property
    def is_drawn(self) -> bool:
        """Whether its weights are random ones."""
        return self.untrained or self.name == UNTRAINED


def in_an_address(reference: str) -> str:
    """A reference as a link names it: of a local file only its own name, as nobody else has its path."""
    named = Reference.parse(reference)
    return str(replace(named, name=LOCAL_FILE + file_name(named.name)) if is_path(named.name) else named)


def file_name(path: str) -> str:
    """The last part of a path, whichever system it is from; the path need not lead anywhere."""
    return PureWindowsPath(path).name or Path(path).expanduser().absolute().name


def is_path(name: str) -> bool:
    """Whether a name is meant as a path: it leads somewhere, or cannot be anything else."""
    if name in NAMES:
        return False
    return Path(name).expanduser().exists() or (
        not is_repository(name) and ("/" in name or os.sep in name or "." in name)
    )


def is_repository(name: str) -> bool:
    """Whether a name can be a repository of the Hub, or its address."""
    if name in NAMES or name.endswith(".safetensors"):
        return False
    try:
        return bool(hub.repository_of(name))
    except ValueError:
        return False

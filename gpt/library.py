"""Which models there are; each is loaded once, shared by everybody, and let go when memory is short.

A visitor holds only a reference, "name", "name:int8" or "name#7" (untrained, seed 7), never a model.
"""

import os
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from . import hub
from .budget import count_parameters
from .config import GPTConfig
from .model import GPTModel
from .precision import PRECISIONS, set_precision, weight_bytes
from .seeding import seeded
from .weights import load_model

STORYTELLER = "storyteller"
UNTRAINED = "gpt2-124M-untrained"
CHAPTER_SEED = 123
_STORYTELLER_FOLDER = Path(__file__).parent.parent / "assets" / STORYTELLER
_REFERENCE = re.compile(rf"(?P<name>.+?)(?::(?P<precision>{'|'.join(PRECISIONS)}))?(?:#(?P<seed>\d{{1,18}}))?")

# How much of the machine's memory loaded models may fill together.
_MEMORY_SHARE = 0.5

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Reference:
    """A model as a visitor asks for it; `str` gives the text that `parse` reads."""

    name: str
    precision: str = "float32"
    seed: int = CHAPTER_SEED

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Raises ValueError when text is no reference."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise ValueError("No model is named: give one of the names that /models lists.")
        seed = match["seed"]
        return cls(match["name"], match["precision"] or "float32", CHAPTER_SEED if seed is None else int(seed))

    def __str__(self) -> str:
        precision = "" if self.precision == "float32" else f":{self.precision}"
        return f"{self.name}{precision}" + ("" if self.seed == CHAPTER_SEED else f"#{self.seed}")


@dataclass(frozen=True)
class ModelInfo:
    """One model that can be chosen; available means without a download."""

    name: str
    description: str
    parameters: int
    trained: bool
    available: bool


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory with what the page says about it; parameters counts a tied head once."""

    reference: str
    name: str
    model: GPTModel
    precision: str
    trained: bool
    parameters: int
    weight_bytes: int


class Library:
    """The models of one server. `default` names the one that "" stands for; a file or folder works too.

    Other paths are opened only when local_files is True: a stranger must not name files of the server.
    """

    def __init__(self, default: str = "", local_files: bool = False) -> None:
        self.local_files = local_files
        self.default = default or (STORYTELLER if _STORYTELLER_FOLDER.is_dir() else UNTRAINED)
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._lock = Lock()
        self._loading: dict[str, Lock] = {}
        self._check_known(Reference.parse(self.default).name)

    def models(self) -> list[ModelInfo]:
        """Every model that has a name."""
        infos = [_untrained_info(), *(_hub_info(name) for name in hub.REPOSITORIES)]
        if _STORYTELLER_FOLDER.is_dir():
            infos.insert(0, self._file_info(STORYTELLER, "a small GPT-2 trained on children's books, in the box"))
        if _is_path(self.default):
            infos.insert(0, self._file_info(self.default, "the file this server was started with"))
        return infos

    def _file_info(self, name: str, description: str) -> ModelInfo:
        return ModelInfo(name, description, self.get(name).parameters, True, True)

    def get(self, reference: str = "", on_progress: Progress | None = None) -> LoadedModel:
        """The model of a reference, loaded when it is not yet; others wait for that load, or get their own.

        Raises ValueError for an unknown name and WeightsError for weights that cannot be used.
        """
        wanted = self._known(reference)
        key = str(wanted)
        with self._lock:
            loading = self._loading.setdefault(key, Lock())
        with loading:
            loaded = self._find(key)
            if loaded is None:
                loaded = self._load(wanted, on_progress)
                self._add(loaded)
        return loaded

    def is_loaded(self, reference: str) -> bool:
        """Whether `get` would answer at once. Raises ValueError for an unknown name."""
        return self._find(str(self._known(reference))) is not None

    def _known(self, reference: str) -> Reference:
        wanted = Reference.parse(reference or self.default)
        self._check_known(wanted.name)
        return wanted if wanted.name == UNTRAINED else replace(wanted, seed=CHAPTER_SEED)

    def _find(self, key: str) -> LoadedModel | None:
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)

    def _add(self, loaded: LoadedModel) -> None:
        with self._lock:
            self._loaded[loaded.reference] = loaded
            budget = _MEMORY_SHARE * _machine_bytes()
            while len(self._loaded) > 1 and sum(each.weight_bytes for each in self._loaded.values()) > budget:
                self._loaded.popitem(last=False)  # those still using it keep it alive until they finish

    def _check_known(self, name: str) -> None:
        known = {STORYTELLER, UNTRAINED, *hub.REPOSITORIES}
        is_ours = name == Reference.parse(self.default).name
        if name not in known and not (_is_path(name) and (is_ours or self.local_files)):
            raise ValueError(f"There is no model called {name[:80]!r}: choose one of {', '.join(sorted(known))}.")

    def _load(self, wanted: Reference, on_progress: Progress | None) -> LoadedModel:
        tell = on_progress or (lambda _: None)
        if wanted.name == UNTRAINED:
            tell("Drawing random weights …")
            model = set_precision(_untrained_model(wanted.seed), wanted.precision)
        else:
            folder = _folder(wanted.name, tell)
            tell("Reading the weights …")
            model = load_model(folder, wanted.precision)
        return LoadedModel(
            reference=str(wanted),
            name=wanted.name,
            model=model,
            precision=wanted.precision,
            trained=wanted.name != UNTRAINED,
            parameters=count_parameters(model.config).total,
            weight_bytes=weight_bytes(model),
        )


def _folder(name: str, tell: Progress) -> Path:
    if name == STORYTELLER:
        return _STORYTELLER_FOLDER
    if name in hub.REPOSITORIES:
        found = hub.downloaded(name)
        return found or hub.download(
            name, lambda done, total: tell(f"Downloading {name}: {done / 2**20:,.0f} of {total / 2**20:,.0f} MiB …")
        )
    return Path(name).expanduser()


def _is_path(name: str) -> bool:
    return name not in {STORYTELLER, UNTRAINED, *hub.REPOSITORIES} and ("/" in name or os.sep in name or "." in name)


def _untrained_model(seed: int) -> GPTModel:
    with seeded(seed):
        model = GPTModel(GPTConfig.preset("gpt2-124M"))
    return model.eval().requires_grad_(False)


def _untrained_info() -> ModelInfo:
    config = GPTConfig.preset("gpt2-124M")
    return ModelInfo(
        UNTRAINED,
        "the chapter's GPT-2 with random weights: it writes noise",
        count_parameters(config).total,
        False,
        True,
    )


def _hub_info(name: str) -> ModelInfo:
    config = replace(GPTConfig.preset(name), qkv_bias=True, tied_head=True)
    available = hub.downloaded(name) is not None
    description = "OpenAI's released weights" + ("" if available else ", downloaded when chosen")
    return ModelInfo(name, description, count_parameters(config).total, True, available)


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

"""The models of one server. Each is loaded once, and all visitors share it.

A visitor holds only a reference: see `model_reference`.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

from .config import GPTConfig
from .engine.packed_model import held_bytes, packed_model
from .engine.precision import set_precision, weight_bytes
from .engine.weights_digest import weights_digest
from .estimates.budget import count_parameters
from .estimates.machine import memory_bytes
from .files import hub, hub_progress
from .files.weights import WeightsError, load_model, stored_config, stored_parameters
from .model import GPTModel
from .model_loads import Load, Loads, Memory, NobodyWaits
from .model_reference import (
    CHAPTER_SEED,
    NAMES,
    STORYTELLER,
    STORYTELLER_FOLDER,
    UNTRAINED,
    Reference,
    folder_of,
    is_path,
    is_repository,
)
from .seeding import seeded
from .tokenizer import Tokenizer

# How much of the machine's memory models may fill together.
_MEMORY_SHARE = 0.5
_TELL_SECONDS = 0.1  # how often a waiting caller is told what a load does

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ModelInfo:
    """One model that can be chosen. `available` means without a download."""

    name: str
    description: str
    parameters: int | None  # None: the Hub would have to be asked
    trained: bool
    available: bool


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory with what the page says about it. `parameters` counts a tied head once."""

    reference: str
    name: str
    model: GPTModel
    precision: str
    trained: bool
    parameters: int
    weight_bytes: int  # of its own numbers

    @property
    def held_bytes(self) -> int:
        """Bytes in memory now: with what was packed of its numbers for reading, which may come later."""
        return held_bytes(self.model)

    @cached_property
    def weights_digest(self) -> str:
        """What `engine.weights_digest` computes, once: models here are read-only."""
        return weights_digest(self.model)


class Library:
    """The models of one server. `default` names the one that "" stands for, or is the path of a file or folder.

    Other paths are opened only when local_files is True: a stranger must not name files of the server. hub_models are
    the names and repositories that may be downloaded, None allows all. All models together, loaded or being loaded,
    take no more than a share of the machine's memory; those used least recently are let go of.
    """

    def __init__(self, default: str = "", local_files: bool = False, hub_models: Collection[str] | None = None) -> None:
        self.local_files = local_files
        self.hub_models = None if hub_models is None else tuple(map(hub.short_name, hub_models))
        self.default = default or (STORYTELLER if STORYTELLER_FOLDER.is_dir() else UNTRAINED)
        self._added: dict[str, tuple[Path, str]] = {}  # folder and description of models made here, by name
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._in_memory: WeakValueDictionary[str, GPTModel] = WeakValueDictionary()  # also those still used elsewhere
        self._lock = Lock()
        self._memory = Memory(lambda: _MEMORY_SHARE * memory_bytes())
        self._loads: Loads[LoadedModel] = Loads(self._memory, self._let_go_of_one)
        self.default = str(self._known(""))

    def models(self) -> list[ModelInfo]:
        """Every model that has a name and can be had here, without loading one."""
        default = self._known("").name
        names = dict.fromkeys([*hub.REPOSITORIES, *(self.hub_models or ()), default])
        on_the_hub = [name for name in names if self._is_on_the_hub(name)]
        infos = [_untrained_info()]
        infos += [_hub_info(name) for name in on_the_hub if name == default or self._can_be_had(name)]
        if STORYTELLER_FOLDER.is_dir():
            infos.insert(0, self._file_info(STORYTELLER, "a small GPT-2 trained on children's books, in the box"))
        infos += [self._file_info(name, description) for name, (_, description) in self._added.items()]
        if self._is_path(default):
            infos.insert(0, self._file_info(self.default, "the file this server was started with"))
        return infos

    def add(self, name: str, folder: Path, description: str) -> None:
        """Let everybody choose a model that was made on this server, by a name that no other one has."""
        self._added[name] = (folder, description)

    def default_config(self) -> GPTConfig:
        """The settings of the default model, without its weights.

        Raises WeightsError for an unusable file, and ValueError for a model that is not on this machine yet.
        """
        default = self._known("")
        if default.name == UNTRAINED:
            return GPTConfig.preset("gpt2-124M")
        if default.name in hub.REPOSITORIES:
            return _released(default.name)
        folder = hub.downloaded(default.name) if self._is_on_the_hub(default.name) else folder_of(default.name)
        if folder is None:
            raise ValueError(f"{default.name} is not on this machine yet: load it first.")
        stored = stored_config(folder)
        activation, n_heads = default.activation or stored.activation, default.n_heads or stored.n_heads
        return replace(stored, activation=activation, n_heads=n_heads)

    def _file_info(self, name: str, description: str) -> ModelInfo:
        return ModelInfo(name, description, stored_parameters(self._folder_of(name)), True, True)

    def get(self, reference: str = "", on_progress: Progress | None = None) -> LoadedModel:
        """The model of a reference, loaded if it is not yet. Who asks for the same model meanwhile waits for that load.

        Raises ValueError for an unknown name and for one that memory has no room for, and WeightsError for weights
        that cannot be used.
        """
        while True:
            found = self.find(reference)
            if found is not None:
                return found
            with self.loading(reference) as load:
                said = ""
                while not load.done.wait(_TELL_SECONDS):
                    if on_progress is not None and load.said != said:
                        said = load.said
                        on_progress(said)
            try:
                return load.answer()
            except NobodyWaits:
                continue  # it ended for want of those who had waited before

    def find(self, reference: str) -> LoadedModel | None:
        """The model if it is in memory, at once. Raises ValueError for an unknown name."""
        wanted = self._known(reference)
        key = str(wanted)
        with self._lock:
            model = self._in_memory.get(key)
            if key not in self._loaded and model is not None:
                self._loaded[key] = _described(wanted, model)
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)

    def is_loaded(self, reference: str) -> bool:
        """Whether `get` would answer at once. Raises ValueError for an unknown name."""
        return self.find(reference) is not None

    def comes_at_once(self, reference: str) -> bool:
        """Whether a link may bring a model: the default, one in memory, the one in the box, an untrained one.

        Raises ValueError for an unknown name, and for an untrained model that memory has no room for.
        """
        wanted = self._known(reference)
        if wanted.name == UNTRAINED:
            self._check_room(wanted, self._bytes_needed(wanted))
        is_small = wanted.name in (STORYTELLER, UNTRAINED)
        return is_small or str(wanted) == str(self._known("")) or self.is_loaded(reference)

    def must_be_downloaded(self, reference: str) -> bool:
        """Whether a model is not on this machine; nobody else is asked. Raises ValueError for an unknown name."""
        name = self._known(reference).name
        return self._is_on_the_hub(name) and hub.downloaded(name) is None

    def at_hand(self) -> list[str]:
        """References of the default model and of all that are in memory."""
        with self._lock:
            return list(dict.fromkeys([str(self._known("")), *self._loaded]))

    @contextmanager
    def loading(self, reference: str) -> Iterator[Load[LoadedModel]]:
        """The load of a model, begun if need be; whoever is in this block waits for it. Raises ValueError."""
        wanted = self._known(reference)
        needed = self._bytes_needed(wanted)
        self._check_room(wanted, needed)
        load = self._loads.join(
            str(wanted),
            needed,
            lambda load: self._fetch(wanted, load),
            lambda load, folder: self._read(wanted, load, folder),
        )
        try:
            yield load
        finally:
            self._loads.leave(load)

    def description(self, reference: str) -> "Future[hub.Description] | None":
        """What would have to be downloaded for a model, None for one that is on this machine.

        Raises ValueError for an unknown name; asking the Hub takes its time, and may end in a WeightsError.
        """
        if not self.must_be_downloaded(reference):
            return None
        return hub_progress.description(self._known(reference).name)

    def _bytes_needed(self, wanted: Reference) -> int:
        """About what a model takes while it is loaded; 0 for one of which the Hub has to be asked first."""
        if wanted.name == UNTRAINED:
            # Drawn in float32 whatever comes of it.
            return count_parameters(GPTConfig.preset("gpt2-124M")).total * (8 if wanted.precision == "float32" else 7)
        if wanted.name in hub.REPOSITORIES:
            return _bytes_of(count_parameters(GPTConfig.preset(wanted.name)).total, wanted.precision)
        if not self._is_on_the_hub(wanted.name):
            return _bytes_of(stored_parameters(self._folder_of(wanted.name)), wanted.precision)
        folder = hub.downloaded(wanted.name)
        if folder is None:
            return 0
        with hub.removing_damaged(wanted.name, folder):
            return _bytes_of(stored_parameters(folder), wanted.precision)

    def _check_room(self, wanted: Reference, needed: int) -> None:
        if str(wanted) != str(self._known("")) and needed > self._memory.limit():
            raise ValueError(
                f"{wanted.name[:80]} in {wanted.precision} takes about {needed / 1e9:,.1f} GB, and models may take "
                f"{self._memory.limit() / 1e9:,.1f} GB on this machine: choose a smaller one, or int8."
            )

    def _known(self, reference: str) -> Reference:
        """What is asked for, under the name by which it is kept. Raises ValueError for an unknown name."""
        wanted = Reference.parse(reference or self.default)
        if wanted.name == UNTRAINED:
            return replace(wanted, activation=None, n_heads=None)
        return replace(wanted, name=self._known_name(wanted.name), seed=CHAPTER_SEED)

    def _known_name(self, name: str) -> str:
        if name in self._added:
            return name
        is_ours = name == Reference.parse(self.default).name
        if self._is_path(name):
            return name
        known = hub.short_name(name) if is_repository(name) else name
        if (known in NAMES or is_repository(known)) and (is_ours or self._can_be_had(known)):
            return known
        names = ", ".join(sorted(each for each in NAMES if self._can_be_had(each)))
        others = ", or owner/name of a repository on the Hub" if self.hub_models is None else ""
        raise ValueError(f"There is no model called {name[:80]!r}: choose one of {names}{others}.")

    def _is_path(self, name: str) -> bool:
        """Whether a name is a path that may be opened here: strangers name none, not even one that exists."""
        if name in self._added:
            return False
        return (self.local_files or name == Reference.parse(self.default).name) and is_path(name)

    def _folder_of(self, name: str) -> Path:
        return self._added[name][0] if name in self._added else folder_of(name)

    def _is_on_the_hub(self, name: str) -> bool:
        if name in self._added:
            return False
        return name in hub.REPOSITORIES or (is_repository(name) and not self._is_path(name))

    def _can_be_had(self, name: str) -> bool:
        """Whether it may be downloaded, or need not be; what lies in the host's cache is not for strangers to find."""
        if not self._is_on_the_hub(name) or self.hub_models is None or name in self.hub_models:
            return True
        return (name in hub.REPOSITORIES or self.local_files) and hub.downloaded(name) is not None

    def _fetch(self, wanted: Reference, load: Load[LoadedModel]) -> Path | None:
        """Where the files of a model are, downloaded if need be; None for one that needs none."""
        name = wanted.name
        if name == UNTRAINED:
            return None
        if not self._is_on_the_hub(name):
            return self._folder_of(name)
        found = hub.downloaded(name)
        if found is None and name not in hub.REPOSITORIES:
            description = hub_progress.describe(name, load.tell)
            if description.refusal:
                raise WeightsError(description.refusal)
            load.bytes_needed = _bytes_of(description.parameters, wanted.precision)
            self._check_room(wanted, load.bytes_needed)
        return found or hub_progress.download(name, load.tell)

    def _read(self, wanted: Reference, load: Load[LoadedModel], folder: Path | None) -> LoadedModel:
        if folder is None:
            load.said = "Drawing random weights …"
            model = set_precision(_untrained_model(wanted.seed), wanted.precision)
        else:
            load.said = "Reading the weights …"
            said = (wanted.precision, wanted.activation, wanted.n_heads)
            on_the_hub = self._is_on_the_hub(wanted.name)
            model = hub.open_folder(wanted.name, folder, *said) if on_the_hub else load_model(folder, *said)
        packed_model(model)  # now, so that nobody's first token waits for it
        loaded = _described(wanted, model)
        self._memory.take(model, held_bytes)
        with self._lock:
            self._in_memory[loaded.reference] = model
            self._loaded[loaded.reference] = loaded
        return loaded

    def _let_go_of_one(self) -> bool:
        """Of the model used least recently; whoever still uses it keeps it in memory until they finish."""
        with self._lock:
            keys = [key for key in self._loaded if key != str(self._known(""))]
            if keys:
                del self._loaded[keys[0]]
            return bool(keys)


def _described(wanted: Reference, model: GPTModel) -> LoadedModel:
    return LoadedModel(
        reference=str(wanted),
        name=wanted.name,
        model=model,
        precision=wanted.precision,
        trained=wanted.name != UNTRAINED,
        parameters=count_parameters(model.config).total,
        weight_bytes=weight_bytes(model),
    )


def _bytes_of(parameters: int, precision: str) -> int:
    """The weights, and what is packed of them for reading."""
    return parameters * (8 if precision == "float32" else 5)


def _untrained_model(seed: int) -> GPTModel:
    with seeded(seed):
        model = GPTModel(GPTConfig.preset("gpt2-124M"))
    model.tokenizer = Tokenizer()
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


def _released(name: str) -> GPTConfig:
    return replace(GPTConfig.preset(name), qkv_bias=True, tied_head=True)


def _hub_info(name: str) -> ModelInfo:
    folder = hub.downloaded(name)
    said = "" if folder else ", downloaded when chosen"
    if name in hub.REPOSITORIES:
        released = count_parameters(_released(name)).total
        return ModelInfo(name, f"OpenAI's released weights{said}", released, True, bool(folder))
    parameters = None
    with suppress(WeightsError):
        parameters = stored_parameters(folder) if folder else None
    return ModelInfo(name, f"from the Hub{said}", parameters, True, bool(folder))

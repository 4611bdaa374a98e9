"""The models of one server. Each is loaded once, and all visitors share it.

A visitor holds only a reference: see `model_reference`. Which models there are says `model_catalogue`.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
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
from .files.weights import WeightsError, load_model
from .model import GPTModel
from .model_catalogue import Catalogue, bytes_of
from .model_loads import Load, Loads, Memory, NobodyWaits
from .model_reference import CHAPTER_SEED, STORYTELLER, UNTRAINED, Reference
from .seeding import init_weights, seeded
from .tokenizer import Tokenizer

# How much of the machine's memory models may fill together.
_MEMORY_SHARE = 0.5
_TELL_SECONDS = 0.1  # how often a waiting caller is told what a load does

Progress = Callable[[str], None]


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


class Library(Catalogue):
    """The catalogue of one server, and those of its models that are in memory.

    All models together, loaded or being loaded, take no more than a share of the machine's memory; those used least
    recently are let go of.
    """

    def __init__(self, default: str = "", local_files: bool = False, hub_models: Collection[str] | None = None) -> None:
        super().__init__(default, local_files, hub_models)
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._in_memory: WeakValueDictionary[str, GPTModel] = WeakValueDictionary()  # also those still used elsewhere
        self._lock = Lock()
        self._memory = Memory(lambda: _MEMORY_SHARE * memory_bytes())
        self._loads: Loads[LoadedModel] = Loads(self._memory, self._let_go_of_one)

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
        wanted = self.known(reference)
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
        """Whether a link may bring a model: the default, one in memory, the bundled one, an untrained one.

        Raises ValueError for an unknown name, and for an untrained model that memory has no room for.
        """
        wanted = self.known(reference)
        if wanted.is_drawn:
            self._check_room(wanted, self.bytes_needed(wanted))
        if wanted.untrained:
            return self.comes_at_once(str(_trained(wanted)))
        is_small = wanted.name in (STORYTELLER, UNTRAINED)
        return is_small or str(wanted) == str(self.known("")) or self.is_loaded(reference)

    def must_be_downloaded(self, reference: str) -> bool:
        """Whether a model is not on this machine; nobody else is asked. Raises ValueError for an unknown name."""
        name = self.known(reference).name
        return self.is_on_the_hub(name) and hub.downloaded(name) is None

    def at_hand(self) -> list[str]:
        """References of the default model and of all that are in memory."""
        with self._lock:
            return list(dict.fromkeys([str(self.known("")), *self._loaded]))

    @contextmanager
    def loading(self, reference: str) -> Iterator[Load[LoadedModel]]:
        """The load of a model, begun if need be; whoever is in this block waits for it. Raises ValueError."""
        wanted = self.known(reference)
        needed = self.bytes_needed(wanted)
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
        return hub_progress.description(self.known(reference).name)

    def _check_room(self, wanted: Reference, needed: int) -> None:
        if str(wanted) != str(self.known("")) and needed > self._memory.limit():
            raise ValueError(
                f"{wanted.name[:80]} in {wanted.precision} takes about {needed / 1e9:,.1f} GB, and models may take "
                f"{self._memory.limit() / 1e9:,.1f} GB on this machine: choose a smaller one, or int8."
            )

    def _fetch(self, wanted: Reference, load: Load[LoadedModel]) -> Path | None:
        """Where the files of a model are, downloaded if need be; None for one that needs none."""
        name = wanted.name
        if name == UNTRAINED:
            return None
        if not self.is_on_the_hub(name):
            return self.path_of(name)
        found = hub.downloaded(name)
        if found is None and name not in hub.REPOSITORIES:
            description = hub_progress.describe(name, load.tell)
            if description.refusal:
                raise WeightsError(description.refusal)
            load.bytes_needed = bytes_of(description.parameters, wanted.precision)
            self._check_room(wanted, load.bytes_needed)
        return found or hub_progress.download(name, load.tell)

    def _read(self, wanted: Reference, load: Load[LoadedModel], folder: Path | None) -> LoadedModel:
        if folder is None:
            load.said = "Drawing random weights …"
            model = set_precision(_untrained_model(wanted.seed), wanted.precision)
        elif wanted.untrained:
            load.said = "Drawing random weights …"
            model = _drawn_again(self._opened(_trained(wanted), folder), wanted)
        else:
            load.said = "Reading the weights …"
            model = self._opened(wanted, folder)
        packed_model(model)  # now, so that nobody's first token waits for it
        loaded = _described(wanted, model)
        self._memory.take(model, held_bytes)
        with self._lock:
            self._in_memory[loaded.reference] = model
            self._loaded[loaded.reference] = loaded
        return loaded

    def _opened(self, wanted: Reference, folder: Path) -> GPTModel:
        said = (wanted.precision, wanted.activation, wanted.n_heads)
        if self.is_on_the_hub(wanted.name):
            return hub.open_folder(wanted.name, folder, *said)
        return load_model(folder, *said)

    def _let_go_of_one(self) -> bool:
        """Of the model used least recently; whoever still uses it keeps it in memory until they finish."""
        with self._lock:
            keys = [key for key in self._loaded if key != str(self.known(""))]
            if keys:
                del self._loaded[keys[0]]
            return bool(keys)


def _described(wanted: Reference, model: GPTModel) -> LoadedModel:
    return LoadedModel(
        reference=str(wanted),
        name=wanted.name,
        model=model,
        precision=wanted.precision,
        trained=not wanted.is_drawn,
        parameters=count_parameters(model.config).total,
        weight_bytes=weight_bytes(model),
    )


def _untrained_model(seed: int) -> GPTModel:
    with seeded(seed):
        model = GPTModel(GPTConfig.preset("gpt2-124M"))
    model.tokenizer = Tokenizer()
    return model.eval().requires_grad_(False)


def _trained(wanted: Reference) -> Reference:
    """The model in float32 whose settings an untrained one has."""
    return replace(wanted, untrained=False, seed=CHAPTER_SEED, precision="float32")


def _drawn_again(trained: GPTModel, wanted: Reference) -> GPTModel:
    """The same model as its training could have begun: with random weights of the seed that is wanted."""
    with seeded(wanted.seed):
        model = GPTModel(trained.config)
        init_weights(model)
    model.tokenizer, model.notes = trained.tokenizer, trained.notes
    return set_precision(model.eval().requires_grad_(False), wanted.precision)

"""Which models can be chosen on one server: their names, where their files lie, and what each of them is.

None of them is loaded here: see `library`.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .config import GPTConfig
from .estimates.budget import count_parameters
from .files import hub
from .files.weights import WeightsError, stored_config, stored_parameters
from .model_reference import (
    CHAPTER_SEED,
    NAMES,
    STORYTELLER,
    STORYTELLER_FOLDER,
    UNTRAINED,
    Reference,
    is_path,
    is_repository,
)


@dataclass(frozen=True)
class ModelInfo:
    """One model that can be chosen. `available` means without a download."""

    name: str
    description: str
    parameters: int | None  # None: the Hub would have to be asked
    trained: bool
    available: bool


@dataclass(frozen=True)
class _Stored:
    """A model that has a name and lies on this machine."""

    path: Path  # of a file or folder
    description: str


class Catalogue:
    """The models of one server by name. `default` names the one that "" stands for, or is a path of a file or folder.

    Other paths may be opened only when local_files is True: a stranger must not name files of the server. hub_models
    are the names and repositories that may be downloaded, None allows all.
    """

    def __init__(self, default: str = "", local_files: bool = False, hub_models: Collection[str] | None = None) -> None:
        self.local_files = local_files
        self.hub_models = None if hub_models is None else tuple(map(hub.short_name, hub_models))
        self.default = default or (STORYTELLER if STORYTELLER_FOLDER.is_dir() else UNTRAINED)
        self._stored: dict[str, _Stored] = {}
        first = Reference.parse(self.default).name
        if is_path(first):
            self.add(first, Path(first).expanduser(), "the file this server was started with")
        self.add(STORYTELLER, STORYTELLER_FOLDER, "a small GPT-2 trained on children's books, comes with the app")
        self.default = str(self.known(""))

    def models(self) -> list[ModelInfo]:
        """Every model that has a name and can be had here, without loading one."""
        default = self.known("").name
        names = dict.fromkeys([*hub.REPOSITORIES, *(self.hub_models or ()), default])
        on_the_hub = [name for name in names if self.is_on_the_hub(name)]
        # A default that is missing is an error, which ends the start of the server.
        stored = [each for each in self._stored if each == default or self.path_of(each).exists()]
        infos = [self._stored_info(name) for name in stored]
        infos += [_untrained_info()]
        infos += [_hub_info(name) for name in on_the_hub if name == default or self._can_be_had(name)]
        return infos

    def add(self, name: str, path: Path, description: str) -> None:
        """Let everybody choose the model of a file or folder of this server, by a name that no other one has."""
        self._stored[name] = _Stored(path, description)

    def default_config(self) -> GPTConfig:
        """The settings of the default model, without its weights.

        Raises WeightsError for an unusable file, and ValueError for a model that is not on this machine yet.
        """
        default = self.known("")
        if default.name == UNTRAINED:
            return GPTConfig.preset("gpt2-124M")
        if default.name in hub.REPOSITORIES:
            return _released(default.name)
        folder = hub.downloaded(default.name) if self.is_on_the_hub(default.name) else self.path_of(default.name)
        if folder is None:
            raise ValueError(f"{default.name} is not on this machine yet: load it first.")
        stored = stored_config(folder)
        activation, n_heads = default.activation or stored.activation, default.n_heads or stored.n_heads
        return replace(stored, activation=activation, n_heads=n_heads)

    def known(self, reference: str) -> Reference:
        """What is asked for, under the name by which it is kept. Raises ValueError for an unknown name."""
        wanted = Reference.parse(reference or self.default)
        if wanted.name == UNTRAINED:
            return replace(wanted, activation=None, n_heads=None, untrained=False)
        seed = wanted.seed if wanted.untrained else CHAPTER_SEED
        return replace(wanted, name=self._known_name(wanted.name), seed=seed)

    def _stored_info(self, name: str) -> ModelInfo:
        stored = self._stored[name]
        return ModelInfo(name, stored.description, stored_parameters(stored.path), True, True)

    def _known_name(self, name: str) -> str:
        if self._is_stored(name):
            return name
        is_ours = name == Reference.parse(self.default).name
        known = hub.short_name(name) if is_repository(name) else name
        if (known in NAMES or is_repository(known)) and (is_ours or self._can_be_had(known)):
            return known
        names = ", ".join(sorted(each for each in NAMES if self._can_be_had(each)))
        others = ", or owner/name of a repository on the Hub" if self.hub_models is None else ""
        raise ValueError(f"There is no model called {name[:80]!r}: choose one of {names}{others}.")

    def _is_stored(self, name: str) -> bool:
        """Whether a model is opened from this machine's files. A stranger cannot name a path, even if it exists."""
        return name in self._stored or (self.local_files and is_path(name))

    def path_of(self, name: str) -> Path:
        """The file or folder of a model that is stored on this machine."""
        return self._stored[name].path if name in self._stored else Path(name).expanduser()

    def is_on_the_hub(self, name: str) -> bool:
        """Whether a model's files come from the Hub, downloaded already or not."""
        return not self._is_stored(name) and (name in hub.REPOSITORIES or is_repository(name))

    def _can_be_had(self, name: str) -> bool:
        """Whether it may be downloaded, or need not be; what lies in the host's cache is not for strangers to find."""
        if not self.is_on_the_hub(name) or self.hub_models is None or name in self.hub_models:
            return True
        return (name in hub.REPOSITORIES or self.local_files) and hub.downloaded(name) is not None

    def bytes_needed(self, wanted: Reference) -> int:
        """About what a model takes while it is loaded; 0 for one of which the Hub has to be asked first."""
        if wanted.name == UNTRAINED:
            return _bytes_drawn(count_parameters(GPTConfig.preset("gpt2-124M")).total, wanted.precision)
        if wanted.untrained:
            # The trained model stands beside it while its settings are taken over.
            read = self.bytes_needed(replace(wanted, untrained=False, precision="float32"))
            return read + _bytes_drawn(read // 8, wanted.precision)
        if wanted.name in hub.REPOSITORIES:
            return bytes_of(count_parameters(GPTConfig.preset(wanted.name)).total, wanted.precision)
        if not self.is_on_the_hub(wanted.name):
            return bytes_of(stored_parameters(self.path_of(wanted.name)), wanted.precision)
        folder = hub.downloaded(wanted.name)
        if folder is None:
            return 0
        with hub.removing_damaged(wanted.name, folder):
            return bytes_of(stored_parameters(folder), wanted.precision)


def bytes_of(parameters: int, precision: str) -> int:
    """The weights, and what is packed of them for reading."""
    return parameters * (8 if precision == "float32" else 5)


def _bytes_drawn(parameters: int, precision: str) -> int:
    """The same for random weights, which are drawn in float32 whatever comes of them."""
    return parameters * (8 if precision == "float32" else 7)


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

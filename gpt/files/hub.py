"""Models of the Hugging Face Hub: what a repository holds, and its files on this machine.

HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE are honoured as huggingface_hub does. What is in its cache, or in that
of transformers, is used without asking the Hub.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import httpx

from ..config import GPTConfig
from ..model import GPTModel
from . import hub_cache
from .hub_cache import REPOSITORIES
from .hub_contents import checker, examine_remotely, find_vocabulary, look
from .hub_errors import HubError, could_not, in_one_sentence
from .hub_transfer import RemoteFile, connect, fetch, read_start
from .stored_tensors import WeightsError
from .weights import load_model

_SHORT_PATIENCE = 3  # seconds, for what can be done without
_NAME = re.compile(r"(?![.-])[\w.-]{1,96}(?<![.-])/(?![.-])[\w.-]{1,96}(?<![.-])", re.ASCII)

__all__ = [
    "REPOSITORIES",
    "Description",
    "describe",
    "download",
    "downloaded",
    "load_repository",
    "open_folder",
    "removing_damaged",
    "repository_of",
    "short_name",
]

Progress = Callable[[int, int], None]  # bytes so far, bytes in all


def repository_of(text: str) -> str:
    """The repository, "owner/name", that a name of REPOSITORIES, a name or an address on the Hub stands for.

    Raises ValueError for anything else.
    """
    if text in REPOSITORIES:
        return REPOSITORIES[text]
    address = re.fullmatch(r"(?:https?://)?[^/\s]+\.[^/\s]+/([^/\s]+/[^/\s?#]+)(?:[/?#].*)?", text.strip())
    name = address[1] if address else text.strip()
    if not _NAME.fullmatch(name) or ".." in name or "--" in name:
        raise ValueError(f"{text[:80]!r} is no repository: write owner/name, as in openai-community/gpt2.")
    return name


def short_name(text: str) -> str:
    """The chapter's name of one of OpenAI's sizes, for any other model "owner/name". Raises ValueError for neither."""
    repository = repository_of(text)
    return next((name for name, known in REPOSITORIES.items() if known == repository), repository)


def downloaded(name: str) -> Path | None:
    """The folder that holds a repository's model already, or None."""
    return hub_cache.cached(repository_of(name))


@dataclass(frozen=True)
class Description:
    """What a repository holds, known before it is downloaded. With a refusal it is no model that can be opened."""

    repository: str
    bytes: int  # of all files to download
    parameters: int
    config: GPTConfig | None
    notes: tuple[str, ...] = ()
    refusal: str = ""


def describe(name: str) -> Description:
    """What a repository holds, by its configuration and the names in its weights: some kilobytes.

    Raises WeightsError when the Hub does not say, and ValueError for what is no repository.
    """
    repository = repository_of(name)
    _refuse_offline(repository)
    with in_one_sentence(repository, hub_cache.cache_folder()), connect() as client:
        try:
            contents = look(client, repository, lambda file: read_start(client, repository, file, file.size))
            examined = examine_remotely(client, contents)
        except HubError:
            raise
        except WeightsError as error:
            return Description(repository, 0, 0, None, (), str(error))
    n_bytes = sum(file.size for file in contents.files)
    return Description(repository, n_bytes, examined.parameters, examined.skeleton.config, examined.notes)


def download(name: str, on_progress: Progress | None = None) -> Path:
    """The folder of a repository's model, fetched where it is missing and no matter who else asks for it.

    on_progress is called several times a second; what it raises ends the waiting, and the download if nobody else waits
    for it. What has arrived stays, and the next download goes on from there. Raises WeightsError, in one sentence, for
    a model that cannot be had or opened, and ValueError for what is no repository.
    """
    repository = repository_of(name)
    found = hub_cache.cached(repository)
    if found is not None:
        _complete(repository, found)
        return found
    _refuse_offline(repository)
    shared = _join(repository)
    try:
        return shared.wait(on_progress)
    finally:
        _leave(repository, shared)


def _complete(repository: str, folder: Path) -> None:
    """Fetch the vocabulary of a model that another program left in the cache without one; do without if that fails."""
    from huggingface_hub import constants  # noqa: PLC0415  # reads the environment when imported

    if constants.HF_HUB_OFFLINE or not hub_cache.may_have_a_vocabulary(repository, folder):
        return
    with suppress(WeightsError), in_one_sentence(repository, folder), connect(_SHORT_PATIENCE) as client:
        for file in find_vocabulary(client, repository, folder.name):
            hub_cache.link(fetch(client, repository, file, Event()), repository, folder.name, file.name)
        hub_cache.note_missing(folder, "tokenizer.json")


def load_repository(
    name: str,
    precision: str = "float32",
    activation: str | None = None,
    n_heads: int | None = None,
    on_progress: Progress | None = None,
) -> GPTModel:
    """load_model for a repository: downloaded where it is missing, and opened as open_folder does."""
    return open_folder(name, download(name, on_progress), precision, activation, n_heads)


def open_folder(
    name: str, folder: Path, precision: str = "float32", activation: str | None = None, n_heads: int | None = None
) -> GPTModel:
    """load_model for the folder of a repository in the cache.

    A file that was damaged there is removed, so that the next try fetches it again.
    """
    with removing_damaged(name, folder):
        return load_model(folder, precision, activation, n_heads)


@contextmanager
def removing_damaged(name: str, folder: Path) -> Iterator[None]:
    """Inside, a WeightsError about the folder of a repository is one of damage, where that is the reason."""
    try:
        yield
    except WeightsError as error:
        removed = hub_cache.remove_damaged(folder)
        if not removed:
            raise
        raise WeightsError(
            f"{', '.join(removed)} of {repository_of(name)} was damaged on this machine and has been removed: try "
            f"again, and it is downloaded anew."
        ) from error


def _refuse_offline(repository: str) -> None:
    from huggingface_hub import constants  # noqa: PLC0415  # reads the environment when imported

    if constants.HF_HUB_OFFLINE:
        raise could_not(
            repository, "HF_HUB_OFFLINE is set and it is not on this machine", "unset it, or open another model"
        )


class _Shared:
    """One download in a thread of its own, for everybody who waits for it."""

    def __init__(self, repository: str) -> None:
        self.repository = repository
        self.waiting = 0
        self.left = Event()
        self._changed = Event()
        self._finished = Event()
        self._done = self._total = 0
        self._folder: Path | None = None
        self._error: Exception | None = None
        Thread(target=self._run, name=f"download {repository}", daemon=True).start()

    def wait(self, on_progress: Progress | None) -> Path:
        """The folder, once everything is in it."""
        while not self._finished.is_set():
            self._changed.wait(0.25)
            self._changed.clear()
            self._tell(on_progress)
        self._tell(on_progress)
        if isinstance(self._error, WeightsError):
            raise WeightsError(str(self._error)) from self._error  # an exception of each visitor's own
        if self._error is not None:
            raise self._error
        assert self._folder is not None
        return self._folder

    def _tell(self, on_progress: Progress | None) -> None:
        if on_progress is not None and self._total:
            on_progress(self._done, self._total)

    def _run(self) -> None:
        try:
            with in_one_sentence(self.repository, hub_cache.cache_folder()), connect() as client:
                self._folder = self._fetch_all(client)
        except Exception as error:  # told to those who wait
            self._error = error
        finally:
            self._finished.set()
            self._changed.set()

    def _fetch_all(self, client: httpx.Client) -> Path:
        contents = look(client, self.repository, lambda file: self._fetch(client, file).read_bytes())
        self._total = sum(file.size for file in contents.files)
        self._changed.set()
        check = checker(client, contents)
        before = 0
        for file in contents.files:  # the weights last: without them nobody takes the folder for a model
            self._fetch(client, file, self._counter(before), check(file))
            before += file.size
        folder = hub_cache.repository_folder(self.repository) / "snapshots" / contents.commit
        for name in {"config.json", "tokenizer.json"} - {file.name for file in contents.files}:
            hub_cache.note_missing(folder, name)
        hub_cache.make_main(self.repository, contents.commit)
        return folder

    def _fetch(self, client: httpx.Client, file: RemoteFile, *told_and_check: Any) -> Path:
        blob = fetch(client, self.repository, file, self.left, *told_and_check)
        hub_cache.link(blob, self.repository, file.commit, file.name)
        return blob

    def _counter(self, before: int) -> Callable[[int], None]:
        def told(of_this_file: int) -> None:
            self._done = before + of_this_file
            self._changed.set()

        return told


_lock = Lock()
_running: dict[str, _Shared] = {}


def _join(repository: str) -> _Shared:
    with _lock:
        shared = _running.get(repository) or _running.setdefault(repository, _Shared(repository))
        shared.waiting += 1
        return shared


def _leave(repository: str, shared: _Shared) -> None:
    with _lock:
        shared.waiting -= 1
        if not shared.waiting:
            shared.left.set()
            if _running.get(repository) is shared:
                del _running[repository]

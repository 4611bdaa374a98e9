"""One file from the Hub into the cache: looked up, then fetched from where an earlier try stopped, and checked."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from threading import Event
from urllib.parse import quote, urljoin, urlsplit

import httpx
from filelock import FileLock, Timeout

from .hub_cache import blob_name, cache_folder, digest_of, repository_folder
from .hub_errors import could_not, endpoint, not_answered
from .stored_tensors import WeightsError

_PATIENCE_SECONDS = 10  # for a connection, and for the next bytes
_MOST_REDIRECTS = 5
_ATTEMPTS = 4  # in a row without a single byte
_MOST_IN_MEMORY = 64 * 2**20  # of settings, vocabularies and headers
_REDIRECTS = (301, 302, 303, 307, 308)


class Left(Exception):
    """Nobody waits for the download any more."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository as the Hub announces it."""

    name: str
    url: str
    etag: str
    commit: str
    size: int

    @property
    def blob(self) -> str:
        """Its name in the cache."""
        return blob_name(self.etag)


def connect(patience_seconds: float = _PATIENCE_SECONDS) -> httpx.Client:
    """A client for the Hub, signed in where the person is."""
    from huggingface_hub import get_token  # noqa: PLC0415  # slow to import, seldom needed

    token = get_token()
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
    return httpx.Client(headers=headers, timeout=patience_seconds)


def look_up(client: httpx.Client, repository: str, name: str, revision: str = "main") -> RemoteFile | None:
    """What the Hub says of a file, None when the repository has none of this name.

    Raises WeightsError for an answer that says neither, and what httpx raises.
    """
    url = f"{endpoint()}/{quote(repository)}/resolve/{revision}/{quote(name)}"
    for _ in range(_MOST_REDIRECTS):
        response = client.head(url)
        target = urljoin(url, response.headers.get("Location", ""))
        # A repository that moved is elsewhere on the Hub; a large file is elsewhere altogether, and announced here.
        if response.status_code not in _REDIRECTS or urlsplit(target).netloc != urlsplit(url).netloc:
            break
        url = target
    if response.status_code == 404 and response.headers.get("X-Error-Code", "EntryNotFound") == "EntryNotFound":
        return None
    if response.status_code >= 400:
        raise not_answered(repository, response)
    return _announced(client, name, url, response)


def _announced(client: httpx.Client, name: str, url: str, response: httpx.Response) -> RemoteFile:
    headers = response.headers
    size = headers.get("X-Linked-Size")
    if size is None and response.status_code in _REDIRECTS:
        size = client.head(url, follow_redirects=True).headers.get("Content-Length")
    size = size or headers.get("Content-Length", "")
    etag, commit = headers.get("X-Linked-Etag") or headers.get("ETag", ""), headers.get("X-Repo-Commit", "")
    if not (size.isdigit() and blob_name(etag) and commit.isalnum()):
        raise could_not(name, f"{endpoint()} does not answer like a Hub", "check HF_ENDPOINT")
    return RemoteFile(name, url, etag.removeprefix("W/").strip('"'), commit, int(size))


def read_start(client: httpx.Client, repository: str, file: RemoteFile, n_bytes: int) -> bytes:
    """The first n_bytes of a file, fewer where it is shorter, without keeping them."""
    wanted = min(n_bytes, file.size)
    if not wanted:
        return b""
    if wanted > _MOST_IN_MEMORY:
        raise could_not(repository, f"{file.name} begins with {wanted:,} bytes of names", "choose another model")
    with client.stream("GET", file.url, headers={"Range": f"bytes=0-{wanted - 1}"}, follow_redirects=True) as response:
        if response.status_code >= 400:
            raise not_answered(repository, response)
        read = b""
        for chunk in response.iter_raw():
            read += chunk
            if len(read) >= wanted:
                break
        return read[:wanted]


Told = Callable[[int], object]  # bytes of this file that are here
Check = Callable[[Path], bool]  # looks at an unfinished file; True once it has seen enough


def _nothing(_: object) -> bool:
    return True


def fetch(
    client: httpx.Client,
    repository: str,
    file: RemoteFile,
    left: Event,
    told: Told = _nothing,
    check: Check = _nothing,
) -> Path:
    """The file in the cache, fetched where it is missing, from where the last try stopped.

    Another process or visitor who fetches it already is waited for. Raises WeightsError for what arrives wrong, Left
    once `left` is set, and what httpx and the disk raise.
    """
    blob = repository_folder(repository) / "blobs" / file.blob
    unfinished = blob.with_name(f"{blob.name}.incomplete")
    with _alone(repository, blob.name, left, lambda: told(_size(unfinished))):
        if _size(blob) == file.size and blob.is_file():
            told(file.size)
            return blob
        blob.parent.mkdir(parents=True, exist_ok=True)
        _check_room(repository, file, unfinished)
        _receive_all(client, repository, file, unfinished, left, told, check)
        _check_content(repository, file, unfinished)
        os.replace(unfinished, blob)
    return blob


@contextmanager
def _alone(repository: str, name: str, left: Event, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold the lock that huggingface_hub takes for the same file, too."""
    path = cache_folder() / ".locks" / repository_folder(repository).name / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    while True:
        try:
            lock.acquire(timeout=0.25)
            break
        except Timeout:
            waiting()
            if left.is_set():
                raise Left from None
    try:
        yield
    finally:
        lock.release()


def _receive_all(
    client: httpx.Client, repository: str, file: RemoteFile, unfinished: Path, left: Event, told: Told, check: Check
) -> None:
    """Request the rest of a file until it is here, again after every break."""
    failures = 0
    fits = _fits(check, unfinished)
    with unfinished.open("ab", buffering=0) as out:  # what arrived is on the disk, also after a kill
        if out.tell() > file.size:
            out.truncate(0)
        while (start := _size(unfinished)) < file.size:
            reason: Exception | None = None
            try:
                for _ in _receive(client, repository, file, out, start):
                    done = _size(unfinished)
                    told(done)
                    if left.is_set():
                        raise Left
                    fits = fits or _fits(check, unfinished)
                    if done > file.size:
                        return
            except httpx.TransportError as error:
                reason = error
            failures = 0 if _size(unfinished) > start else failures + 1
            if failures == _ATTEMPTS:
                raise _broke_off(repository, file, start) from reason
            if _size(unfinished) < file.size and left.wait(failures * 0.5):
                raise Left


def _fits(check: Check, unfinished: Path) -> bool:
    """Whether enough is here to know that it is a model. A file that is no model is removed."""
    try:
        return check(unfinished)
    except WeightsError:
        unfinished.unlink(missing_ok=True)
        raise


def _receive(client: httpx.Client, repository: str, file: RemoteFile, out: FileIO, start: int) -> Iterator[None]:
    """Write what one request brings, yielding after every piece. May end before the file does."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    with client.stream("GET", file.url, headers=headers, follow_redirects=True) as response:
        if response.status_code == 416:
            out.truncate(0)
            return
        if response.status_code >= 400:
            raise not_answered(repository, response)
        if start and response.status_code != 206:
            out.truncate(0)  # the server does not go on in the middle
            start = 0
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and start + int(length) != file.size:
            out.truncate(0)
            what = f"{start + int(length):,} bytes came instead of {file.size:,}"
            raise could_not(repository, f"{file.name} is not what the Hub announced ({what})", "try again later")
        for chunk in response.iter_raw():
            out.write(chunk)
            yield


def _broke_off(repository: str, file: RemoteFile, done: int) -> WeightsError:
    return could_not(
        repository,
        f"the connection breaks off after {done / 2**20:,.1f} of {file.size / 2**20:,.1f} MiB",
        "try again, and the download goes on from there",
    )


def _check_content(repository: str, file: RemoteFile, unfinished: Path) -> None:
    size = _size(unfinished)
    if size == file.size and digest_of(unfinished, file.etag) in (None, file.etag):
        return
    unfinished.unlink()
    wrong = "checksum differs" if size == file.size else "length differs"
    raise could_not(repository, f"{file.name} arrived damaged (its {wrong}) and was thrown away", "try again")


def _check_room(repository: str, file: RemoteFile, unfinished: Path) -> None:
    missing, free = file.size - _size(unfinished), shutil.disk_usage(unfinished.parent).free
    if missing > free:
        raise could_not(
            repository,
            f"it needs {missing / 2**20:,.0f} MiB more and {free / 2**20:,.0f} are free in {cache_folder()}",
            "make room, or set HF_HOME to another disk",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

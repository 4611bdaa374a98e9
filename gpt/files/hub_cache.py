"""The Hub's cache on this machine, as huggingface_hub and transformers keep it.

models--OWNER--NAME/blobs holds files by their digest, snapshots/COMMIT a link to one for each file of a version.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from .model_files import find
from .stored_tensors import WeightsError

# OpenAI's four sizes, by the chapter's names.
REPOSITORIES = {
    "gpt2-124M": "openai-community/gpt2",
    "gpt2-355M": "openai-community/gpt2-medium",
    "gpt2-774M": "openai-community/gpt2-large",
    "gpt2-1558M": "openai-community/gpt2-xl",
}
# They had no owner once, and caches still hold them under their old names.
_OLD_NAMES = {repository: repository.removeprefix("openai-community/") for repository in REPOSITORIES.values()}
_CHUNK = 2**20


def cache_folder() -> Path:
    """Where downloads go: HF_HUB_CACHE, or a folder in HF_HOME."""
    from huggingface_hub import constants  # noqa: PLC0415  # reads the environment when imported

    return Path(constants.HF_HUB_CACHE)


def repository_folder(repository: str) -> Path:
    """The folder of a repository's files, which need not exist."""
    return cache_folder() / f"models--{repository.replace('/', '--')}"


def _places(repository: str) -> Iterator[Path]:
    names = [repository, *([_OLD_NAMES[repository]] if repository in _OLD_NAMES else [])]
    caches = [cache_folder(), *(Path(os.environ[key]) for key in ("TRANSFORMERS_CACHE",) if os.environ.get(key))]
    for cache in dict.fromkeys(caches):
        for name in names:
            yield cache / f"models--{name.replace('/', '--')}"


def cached(repository: str) -> Path | None:
    """The folder with a whole model of the repository: its weights, and the configuration that says what they are."""
    for home in _places(repository):
        try:
            found = find(home)
        except (WeightsError, OSError):
            continue
        if found.folder.is_relative_to(home / "snapshots") and _is_known(found.folder, "config.json"):
            return found.folder
    return None


def may_have_a_vocabulary(repository: str, folder: Path) -> bool:
    """Whether a cached model may have a vocabulary on the Hub that no program has asked for yet."""
    known = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model")
    return repository not in _OLD_NAMES and not any(_is_known(folder, name) for name in known)


def _is_known(folder: Path, name: str) -> bool:
    """Whether a file is in a snapshot, or is known not to exist: then huggingface_hub keeps its name in .no_exist."""
    return (folder / name).is_file() or (folder.parent.parent / ".no_exist" / folder.name / name).is_file()


def note_missing(folder: Path, name: str) -> None:
    """Note that this version of a repository has no such file."""
    note = folder.parent.parent / ".no_exist" / folder.name / name
    note.parent.mkdir(parents=True, exist_ok=True)
    note.touch()


def blob_name(etag: str) -> str:
    """The name of the file that holds what the Hub calls by this etag."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", etag.removeprefix("W/").strip('"'))


def link(blob: Path, repository: str, commit: str, name: str) -> None:
    """Give a blob its name in a version's snapshot; the file itself moves there where links cannot be made."""
    pointer = repository_folder(repository) / "snapshots" / commit / name
    pointer.parent.mkdir(parents=True, exist_ok=True)
    temporary = pointer.with_name(f"{name}.{os.getpid()}.unfinished")
    try:
        temporary.symlink_to(os.path.relpath(blob, pointer.parent))
    except (OSError, NotImplementedError):  # Windows without the permission, or a disk without links
        os.replace(blob, temporary)
    os.replace(temporary, pointer)


def make_main(repository: str, commit: str) -> None:
    """Note which version is the repository's newest, once all of its files are there."""
    main = repository_folder(repository) / "refs" / "main"
    main.parent.mkdir(parents=True, exist_ok=True)
    temporary = main.with_name(f"main.{os.getpid()}.unfinished")
    temporary.write_text(commit)
    os.replace(temporary, main)


def digest_of(file: Path, etag: str) -> str | None:
    """What the Hub would call this file's content by, where the etag is a digest; None where it is not.

    Large files go by their SHA-256, small ones by git's SHA-1 of the content.
    """
    if re.fullmatch(r"[0-9a-f]{64}", etag):
        digest = hashlib.sha256()
    elif re.fullmatch(r"[0-9a-f]{40}", etag):
        digest = hashlib.sha1(f"blob {file.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        return None
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def remove_damaged(folder: Path) -> list[str]:
    """Remove from the cache those files of a snapshot that are not what their digest says; returns their names."""
    removed = []
    for pointer in sorted(folder.iterdir()):
        blob = pointer.resolve()
        if not pointer.is_symlink() or (blob.is_file() and digest_of(blob, blob.name) in (None, blob.name)):
            continue
        blob.unlink(missing_ok=True)
        pointer.unlink()
        removed.append(pointer.name)
    return removed

"""Which code made a file: the version, and a digest of the library's own source.

Two files with the same version were made by the same code, also where no repository tells what was changed.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path

APP = "GPT-2 explorer"
VERSION = "1.0"

_FOLDER = Path(__file__).parent
_SOURCES = {".py", ".c", ".h", ".js"}
_DIGITS = 12  # of the digest: enough to tell any two states of the code apart


@cache
def full_version() -> str:
    """The version and, as its local part, the first digits of the SHA-256 of all source files: 1.0+3f2a9c1b7d04."""
    digest = sha256()
    sources = {path.relative_to(_FOLDER).as_posix(): path for path in _FOLDER.rglob("*") if path.suffix in _SOURCES}
    for name, path in sorted(sources.items()):
        # Line ends differ between systems, the code does not.
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"{VERSION}+{digest.hexdigest()[:_DIGITS]}"

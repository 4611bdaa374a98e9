"""A vocabulary of single characters, as nanoGPT and minGPT use for small texts: vocab.json alone."""

import re
from collections.abc import Mapping
from typing import Any

from ..tokenizer import Vocabulary
from .stored_tensors import WeightsError

WITHOUT_IT = "take the vocabulary's files out of the folder to open the model with ids instead of text."
_MARKER = re.compile(r"(<[^<>]+>|\[[^\[\]]+\])")  # "<pad>" or "[UNK]", a token that is no character


def read_characters(table: Mapping[str, Any], name: str) -> Vocabulary:
    """The vocabulary of a table {"a": 0, …} or {"0": "a", …}. Raises WeightsError for pieces of several characters."""
    if table and all(isinstance(value, str) and key.isdigit() for key, value in table.items()):
        table = {value: int(key) for key, value in table.items()}
    ids = token_table(table, name)
    longer = next((token for token in ids if len(token) != 1 and not _MARKER.fullmatch(token)), None)
    if longer is not None:
        raise WeightsError(
            f"{name} holds pieces of several characters such as {longer!r}, and there is no merges.txt that says how "
            f"to join them: put merges.txt beside it, or {WITHOUT_IT}"
        )

    def encode(text: str, special: bool) -> list[int]:
        # Split keeps what it splits at, because the pattern is a group.
        parts = _MARKER.split(text) if special else [text]
        tokens = [token for part in parts for token in ([part] if part in ids else part)]
        unknown = next((token for token in tokens if token not in ids), None)
        if unknown is not None:
            raise ValueError(
                f"The character {unknown!r} is not among the {len(ids)} that this model knows: leave it out, or write "
                f"another."
            )
        return [ids[token] for token in tokens]

    by_id = {token_id: token.encode() for token, token_id in ids.items()}
    pieces = tuple(by_id.get(token_id) for token_id in range(max(by_id) + 1))
    return Vocabulary(f"a table of {len(ids):,} characters", pieces, encode)


def token_table(table: object, name: str) -> dict[str, int]:
    """The ids of a file's tokens. Raises WeightsError for anything but one whole number each, most of them in use."""
    if not isinstance(table, dict) or not table or any(type(value) is not int for value in table.values()):
        raise WeightsError(f"{name} is no table of tokens and their ids: repair it, or {WITHOUT_IT}")
    found = sorted(table.values())
    if len(set(found)) != len(found) or found[0] < 0 or found[-1] >= 10 * len(found) + 1000:
        raise WeightsError(
            f"{name} gives two tokens one id, or ids far beyond their number: repair it, or {WITHOUT_IT}"
        )
    return table

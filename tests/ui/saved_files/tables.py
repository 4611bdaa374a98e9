"""A saved file as a table, and how its cells are compared with an array."""

import io

import pandas
import torch

from gpt import Tokenizer

TOKENIZER = Tokenizer()


TOKEN, BLOCK = 5, 2  # what is looked at in all of these: neither the first nor in the middle


SETTINGS = {"max_new_tokens": 6, "temperature": 0.7, "top_k": 30, "top_p": 0.9, "seed": 11}


def table(file: dict[str, str], what: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a saved CSV file, without the columns that say what the numbers are of."""
    read = whole_table(file, what)
    own = [name for name in read.columns if not is_context(name)]
    return own, read[own].to_numpy().tolist()


def whole_table(file: dict[str, str], what: str) -> pandas.DataFrame:
    """A saved CSV file as pandas reads it, each cell as text."""
    assert file["type"] == "text/csv"
    assert file["name"].removesuffix(".csv").split("_")[0] == what
    read = pandas.read_csv(io.BytesIO(file["text"].encode()), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    assert read.columns.is_unique
    return read


def is_context(column: str) -> bool:
    return column in ("model", "prompt") or column.startswith("selected ")


def numbers(rows: list[list[str]]) -> torch.Tensor:
    return torch.tensor([[float(cell) for cell in row] for row in rows], dtype=torch.float64)


def same(rows: list[list[str]], expected: torch.Tensor) -> None:
    """The cells are these numbers, to what another order of sums may change."""
    torch.testing.assert_close(numbers(rows), expected.double(), rtol=1e-4, atol=1e-5)


def columns(rows: list[list[str]], start: int, stop: int | None = None) -> list[list[str]]:
    return [row[start:stop] for row in rows]


def token_columns(ids) -> list[str]:
    return [f"{i} {text} (id {ids[i - 1]})" for i, text in enumerate(visible(ids), 1)]


def visible(ids) -> list[str]:
    return [TOKENIZER.visible(token_id) for token_id in ids]

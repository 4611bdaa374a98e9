"""The code that a view offers, run as a visitor would who pasted it, and the numbers that the view draws."""

import io
from html import unescape
from typing import Any

import pandas
import torch

from gpt.library import Library
from tests.ui.visitor import Visitor

BLOCK = 2
N_HEADS = Library().default_config().n_heads


def text_of(visitor: Visitor, elem_id: str) -> str:
    """The code in a fold."""
    return unescape(visitor.value(elem_id))


def executed(visitor: Visitor, elem_id: str) -> dict[str, Any]:
    """All names that the code defines."""
    names: dict[str, Any] = {}
    exec(compile(text_of(visitor, elem_id), elem_id, "exec"), names)
    return names


def saved(visitor: Visitor, button: str) -> pandas.DataFrame:
    """The numbers that a press of the button saves: those that the view draws."""
    return pandas.read_csv(io.BytesIO(visitor.saved(button)["text"].encode()), encoding="utf-8-sig")


def same(found: Any, shown: Any, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """Equal but for what another order of sums may change."""
    found, shown = (torch.as_tensor(each).double() for each in (found, torch.tensor(shown)))
    torch.testing.assert_close(found, shown, rtol=rtol, atol=atol)

"""A visitor for whom the bundled model wrote a text: code behind the views is run as pasted."""

from pathlib import Path

import pytest

from gpt.library import Library
from tests.ui.visitor import Visitor

ROOT = Path(__file__).parents[3]
PROMPT = 'She said: "It\'s\na \\ day"'  # a text that has to be quoted with care
TOKEN = 11


@pytest.fixture(scope="session")
def reader() -> Visitor:
    """A visitor for whom the bundled model wrote eight tokens."""
    visitor = Visitor(Library())
    visitor.put(prompt=PROMPT, length=8, temperature=0.9, top_k=40, top_p=0.95, seed=7)
    visitor.fire("generate")
    return visitor


@pytest.fixture
def looking(reader: Visitor, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    """The same, with a token of its text selected, in a process that stands in the project's folder."""
    monkeypatch.chdir(ROOT)
    reader.fire("probabilities-strip", "select", index=TOKEN)
    return reader

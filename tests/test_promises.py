"""README's promises name tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
README = (TESTS.parent / "README.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", README.partition("## What it promises")[2].partition("\n## ")[0])


def test_promises_are_found():
    assert len(NAMED) >= 15


@pytest.mark.parametrize(("module", "name"), NAMED)
def test_a_promise_has_its_test(module, name):
    text = (TESTS / module).read_text(encoding="utf-8")
    assert not name or f"def {name}(" in text

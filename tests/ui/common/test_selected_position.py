"""Which token is selected does not depend on the way a visitor came."""

import re

from gpt.library import Library
from tests.ui.visitor import Visitor


def selected_on(visitor: Visitor, label: str) -> str:
    """Where the marked token of the tab's strip stands."""
    return re.findall(r'class="token [^"]*selected[^"]*" data-index="([0-9]*)"', visitor.open_tab(label))[0]


def test_tabs_select_the_first_new_token_whichever_is_opened_first(uneven_library: Library):
    ways = ("LayerNorm", "Probabilities", "Inside", "Map"), ("Probabilities", "Map", "LayerNorm", "Inside")
    for way in ways:
        visitor = Visitor(uneven_library)
        visitor.put(prompt="Every effort moves you", length=3)
        visitor.fire("generate")
        assert [selected_on(visitor, label) for label in way] == ["4"] * 4

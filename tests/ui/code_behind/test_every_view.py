"""The code behind the Map computes what it shows, and no view is without its code."""

import re
from typing import Any

import gradio as gr
import pytest

from gpt.ui.map.words import BOXES
from tests.ui.code_behind.pasted import BLOCK, executed, same


@pytest.mark.parametrize(
    "box",
    ["token-embedding", "position-embedding", "block", "norm1", "attention", "feed-forward", "final-norm"],
)
def test_a_box_makes_the_vector_whose_length_it_carries(looking, box):
    looking.put(map_box=box, map_carried="Length", map_block=BLOCK)
    looking.open_tab("Map")
    found, picture = executed(looking, "map-code-behind"), looking.shown("map-picture")[-1]
    (carried,) = re.findall(rf'data-index="{list(BOXES).index(box)}".*?</g>', picture, re.DOTALL)
    (shown,) = re.findall(r">([\d.,]+)</text>", carried)
    last_digit = 10.0 ** -len(shown.partition(".")[2])
    # Half of it is what is rounded off; float32 sums of the same squares are a millionth apart.
    expected = pytest.approx(float(found["row"].norm()), rel=2e-6, abs=last_digit)
    assert float(shown.replace(",", "")) == expected


def test_the_end_of_the_map_has_the_candidates_after_the_selected_token(looking):
    looking.put(map_box="token")
    looking.open_tab("Map")
    listed = re.findall(r"<td>([\d.]+)</td><td>[^<]*%</td>", looking.shown("map-code")[-1])
    table = executed(looking, "map-code-behind")["table"]
    same([row.logit for row in table.tokens], list(map(float, listed)), atol=1e-3)


# Everywhere


def test_every_view_ends_with_its_code(looking):
    """Walks the built page: each tab, and each panel of a tab, has a fold of its own or in all of its panels."""

    def folds(block: Any) -> list[str]:
        inside = [fold for child in getattr(block, "children", []) for fold in folds(child)]
        is_fold = isinstance(block, gr.HTML) and "code-behind" in block.elem_classes
        return [block.elem_id] if is_fold else inside

    tabs = [block for block in looking.blocks.blocks.values() if isinstance(block, gr.Tab)]
    assert tabs and [tab.label for tab in tabs if not folds(tab)] == []


@pytest.mark.parametrize("tab", ["Inside", "LayerNorm"])
def test_every_choice_of_view_shows_its_code(looking, tab):
    """The views of a tab stand in one choice; with each of them in front, a fold of the tab holds code."""
    choice = {"Inside": "inside-view", "LayerNorm": "norm-view"}[tab]
    for view, _ in looking.component(choice).choices:
        looking.put(**{choice.replace("-", "_"): view})
        looking.fire(choice, "input")
        drawn = [value for block, value in looking.news if "code-behind" in (block.elem_classes or []) and value]
        assert drawn, view

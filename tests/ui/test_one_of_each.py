"""A model of one block with one head, and a text of one token and one more: the page counts them as one."""

import re
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from gradio.blocks import Block

from gpt import GPTConfig, GPTModel, save_model
from gpt.generation import Settings
from gpt.library import Library
from gpt.runs import grow, new_run
from gpt.sampling import Sampling
from gpt.seeding import seeded
from gpt.ui.tour.tour_stops import STOPS
from gpt.ui.tour.tour_text import Reading
from tests.ui.visitor import Visitor

COUNTED = (
    "tokens|blocks|heads|features|steps|neurons|numbers|times|others|bytes|rows|norms|layers|dimensions|characters|"
    "texts|pictures|positions|sentences|seconds|parameters|logits|values|parts"
)
WRONG = re.compile(rf"(?<![\d.,])1 (?:[a-z]+ )?(?:{COUNTED})\b")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder: Path = tmp_path_factory.mktemp("one")
    with seeded(1):
        save_model(GPTModel(GPTConfig(context_length=8, emb_dim=4, n_heads=1, n_layers=1)).eval(), folder)
    return Library(str(folder))


def said(visitor: Visitor) -> Iterator[str]:
    """All that the last event put on the page."""
    for _, value in visitor.news:
        yield str(value.constructor_args if isinstance(value, Block) else value)


def chosen_in_turn(visitor: Visitor) -> Iterator[str]:
    """Every tab and panel opened, then every choice of every row of chips."""
    for block in list(visitor.blocks.blocks.values()):
        if isinstance(block, gr.Tab):
            visitor.open_tab(block.label)
            yield from said(visitor)
    heard = {target for fn in visitor.blocks.fns.values() for target in fn.targets}
    for block in list(visitor.blocks.blocks.values()):
        if isinstance(block, gr.Radio) and block.elem_id and (block._id, "input") in heard:
            for _, choice in block.choices:
                visitor.values[block._id] = choice
                visitor.fire(block.elem_id, "input")
                yield from said(visitor)


def test_one_is_counted_as_one_on_every_tab(library):
    visitor = Visitor(library)
    visitor.load()
    visitor.put(prompt="Every", length=1)
    visitor.fire("generate")
    shown = [*said(visitor), *chosen_in_turn(visitor)]
    assert len(shown) > 100
    assert any("1 prompt token," in text or "1 prompt token " in text for text in shown)
    assert not [found[0] for text in shown for found in WRONG.finditer(text)]


def test_one_is_counted_as_one_at_every_stop_of_the_tour(library):
    loaded = library.get()
    *_, run = grow(loaded.model, new_run(loaded.model, loaded.reference, "Every", Settings(1, Sampling(), 1)))
    reading = Reading(library, loaded, run)
    for stop in STOPS:
        assert not WRONG.search(str(stop.tell(reading))), stop.title

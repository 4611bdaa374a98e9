"""A view's place in the address: who writes it, and that each kind of control takes its value or leaves nonsense."""

import json
import re
from collections import Counter

import gradio as gr
import pytest

from gpt.ui.attribution.ablation_words import off_from, off_text
from gpt.ui.common.address_values import linked_value
from gpt.ui.common.run_controls import Controls
from tests.ui.visitor import Visitor

SKIP = gr.skip()


@pytest.fixture
def writer(visitor):
    """The one event that writes what the tabs show."""
    (found,) = [fn for fn in visitor.blocks.fns.values() if "const places" in str(fn.js)]
    return found


def places_of(writer) -> list[dict]:
    return json.loads(re.search(r"places = (\[.*\]);", writer.js).group(1))


def test_every_place_is_written_from_its_own_component_when_that_changes(visitor, writer):
    asking = [target for fn in visitor.blocks.fns.values() if "write-address" in str(fn.js) for target in fn.targets]
    listens = {visitor.blocks.blocks[target].elem_id for target, event in asking if event == "change"}
    assert [(visitor.blocks.blocks[target].elem_id, event) for target, event in writer.targets] == [
        ("write-address", "click")
    ]
    values = [component.elem_id for component in writer.inputs]
    found = {
        (each["tab"], each["name"]): values[each["index"]] if "index" in each else each["tabs"]
        for each in places_of(writer)
    }
    assert found["layernorm", "view"] == "norm-view"
    assert found["map", "head"] == "map-head"
    assert found["building-blocks", "view"] == "panels"
    assert found["calculator", "calc-emb_dim"] == "calc-emb_dim"
    assert set(found.values()) <= listens


def test_no_two_places_of_a_tab_share_a_name_nor_take_one_of_the_run(writer):
    places = [(each["tab"], each["name"]) for each in places_of(writer)]
    assert max(Counter(places).values()) == 1
    of_the_run = {*Controls.__dataclass_fields__, "tab", "model", "token", "branch", "lesson", "step", "embed", "hide"}
    assert not {name for _, name in places} & of_the_run


CASES = [
    (gr.Radio(["a", "b"]), "b", "b", "c"),
    (gr.Dropdown([("One", 1), ("Two", 2)]), "2", 2, "Two"),
    (gr.CheckboxGroup(["x", "y", "z"]), "z,x", ["x", "z"], "x,w"),
    (gr.CheckboxGroup(["x", "y"]), "", [], "q"),
    (gr.Checkbox(), "true", True, "yes"),
    (gr.Slider(0, 1, 0.5), "0.25", 0.25, "1.5"),
    (gr.Slider(0, 10, 1, step=1), "7", 7, "nan"),
    (gr.Number(3), "1e3", 1000, "1e999"),
    (gr.Number(3), "", None, "many"),
    (gr.Number(3, precision=0, minimum=0), "4", 4, "4.5"),
    (gr.Textbox("a"), " he", " he", "x" * 2_001),
]


@pytest.mark.parametrize(("component", "text", "value", "nonsense"), CASES)
def test_a_control_takes_its_value_from_a_link_and_leaves_what_it_cannot_use(component, text, value, nonsense):
    found = linked_value(component, text)
    assert (found, type(found)) == (value, type(value))
    assert linked_value(component, nonsense) == SKIP


def test_a_slider_over_blocks_waits_for_its_model_to_say_how_many_there_are():
    blocks = gr.Slider(0, 11, 0, step=1, label="Block")
    assert linked_value(blocks, "30") == gr.update(value=30, maximum=30)
    assert linked_value(blocks, "-1") == linked_value(blocks, "9" * 30) == SKIP


def test_switched_off_parts_come_back_from_their_text():
    off = frozenset({(10, 2), (0, 1)})
    assert off_text(off) == "0.1,10.2"
    assert off_from(off_text(off)) == off
    for nonsense in ("", "1", "1.2.3", "a.b", "1.-2"):
        with pytest.raises(ValueError):
            off_from(nonsense)


def opened(library, **query: str) -> Visitor:
    visitor = Visitor(library, length="4", **query)
    visitor.load()
    return visitor


def test_a_link_opens_a_panel_of_the_building_blocks_and_draws_it(uneven_library):
    visitor = opened(uneven_library, **{"tab": "building-blocks", "view": "gelu", "reach": "7"})
    assert visitor.value("reach") == 7
    assert "block 0" in visitor.value("gelu-said")


def test_a_preset_pressed_after_a_link_fills_the_fields_and_the_tab_opened_again_leaves_them(uneven_library):
    visitor = opened(uneven_library, **{"tab": "calculator", "calc-n_layers": "5", "calc-mode": "training"})
    assert visitor.value("calc-n_layers") == 5
    visitor.open_tab("Calculator")
    assert (visitor.value("calc-n_layers"), visitor.value("calc-mode")) == (5, "training")
    visitor.fire("calc-preset-124M")
    visitor.open_tab("Calculator")
    assert (visitor.value("calc-n_layers"), visitor.value("calc-mode")) == (12, "training")


def test_a_link_chooses_a_row_and_reshapes_the_step(uneven_library):
    visitor = opened(uneven_library, tab="probabilities", T="1.5", k="7", chosen="11", token="6")
    assert (visitor.value("T"), visitor.value("k")) == (1.5, 7)
    assert visitor.value("p") == 1


def test_a_row_that_the_model_has_no_token_for_chooses_none(uneven_library):
    visitor = opened(uneven_library, tab="probabilities", chosen="99999", token="6")
    assert "problem" not in (visitor.value("probabilities-note") or "")

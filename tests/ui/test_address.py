"""Every control has its place in the address: written as it is shown, read back as the value it was."""

import json
import re
from types import SimpleNamespace

import gradio as gr
import pytest

from gpt.seeding import LARGEST_DRAW_SEED
from gpt.ui.address import reading, token_from
from gpt.ui.generate.tab import Controls
from tests.ui.visitor import Visitor

NAMES = tuple(Controls.__dataclass_fields__)
# As the address holds them, and what the control then has.
WRITTEN = {
    "prompt": ("Once upon a time & 100 %", "Once upon a time & 100 %"),
    "length": ("7", 7),
    "temperature": ("1.25", 1.25),
    "top_k": ("12", 12),
    "top_p": ("0.85", 0.85),
    "seed": ("99", 99),
    "greedy": ("true", True),
    "begin_with_end_of_text": ("true", True),
}


@pytest.fixture
def read(visitor):
    """What opening an address gives each control, and the tabs."""
    controls = Controls(*map(visitor.component, NAMES))

    def found(long_prompt: str | None = "", **query: str) -> dict:
        updates = reading(["generate", "inside"], controls)(long_prompt, SimpleNamespace(query_params=query))
        return dict(zip(("tabs", *NAMES), updates, strict=True))

    return found


def test_the_address_names_the_controls_that_links_rely_on():
    assert tuple(WRITTEN) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_control_takes_its_value_from_the_address_and_the_others_stay(read, name):
    text, value = WRITTEN[name]
    found = read(**{name: text})
    assert found.pop(name) == value
    assert all(update == gr.skip() for update in found.values())


def test_a_text_from_nothing_is_a_link_too(uneven_library):
    visitor = Visitor(uneven_library, prompt="", begin_with_end_of_text="true", length="2")
    visitor.load()
    assert (visitor.run.prompt, visitor.run.prompt_ids) == ("", (50256,))


@pytest.mark.parametrize("name", sorted(WRITTEN.keys() - {"prompt", "greedy", "begin_with_end_of_text"}))
@pytest.mark.parametrize("nonsense", ["", "many", "1,5", "nan"])
def test_what_is_no_number_leaves_the_default_and_a_line_says_so(read, visitor, name, nonsense):
    update = read(**{name: nonsense})[name]
    assert update["value"] == visitor.component(name).value
    assert update["info"] == f"The link says {nonsense}; the default is taken."


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seed", "99999999999999999999", LARGEST_DRAW_SEED),
        ("seed", "-3", 0),
        ("temperature", "99", 2),
        ("temperature", "-inf", 0.05),
        ("length", "1e9", 500),
        ("length", "7.4", 7),
        ("top_k", "201", 200),
        ("top_p", "0", 0.05),
    ],
)
def test_of_a_number_out_of_range_the_nearest_is_taken_and_a_line_says_so(read, name, text, value):
    update = read(**{name: text})[name]
    assert update["value"] == value
    assert isinstance(update["value"], int) == isinstance(value, int)
    assert update["info"] == f"The link says {text}; the nearest is {value:,g}."


def test_a_long_nonsense_is_cut(read):
    assert len(read(seed="x" * 5_000)["seed"]["info"]) < 200


def test_a_prompt_of_too_many_tokens_is_left_out_and_a_line_says_so(read):
    update = read(prompt="👩‍👩‍👧‍👦" * 1_000)["prompt"]
    assert update["value"] == "Every effort moves you"
    assert update["info"] == "The link says 7,000 characters, too many; the default is taken."
    assert read(prompt="")["prompt"] == ""


def test_the_prompt_of_the_fragment_counts_more_than_that_of_the_query(read):
    assert read("Once upon a time", prompt="Hello")["prompt"] == "Once upon a time"


def test_in_place_of_a_long_prompt_that_cannot_be_read_no_other_one_is_run(read):
    found = read(None, prompt="Hello", begin_with_end_of_text="true")
    assert (found["prompt"]["value"], found["begin_with_end_of_text"]) == ("", False)
    assert "too long" in found["prompt"]["info"]


def test_greedy_is_true_or_false_and_nothing_else(read):
    assert [read(greedy=text)["greedy"] for text in ("true", "false")] == [True, False]
    assert read(greedy="yes")["greedy"]["value"] is False
    assert read(greedy="yes")["greedy"]["info"] == "The link says yes; the default is taken."


def test_the_tab_of_the_address_is_selected_if_there_is_one(read):
    assert read(tab="inside")["tabs"].selected == "inside"
    assert read()["tabs"] == read(tab="nonsense")["tabs"] == gr.skip()


def test_a_change_of_any_control_writes_all_of_them_each_under_its_own_name(visitor):
    page = visitor.blocks
    writers = {
        page.blocks[component].elem_id: fn
        for fn in page.fns.values()
        for component, event in fn.targets
        if event == "change" and "const names" in str(fn.js) and fn.inputs
    }
    assert set(writers) == set(NAMES)
    for fn in writers.values():
        names = json.loads(re.search(r"names = (\[.*?\])", fn.js).group(1).replace("'", '"'))
        assert names == [component.elem_id for component in fn.inputs] == list(NAMES)


def test_a_page_opened_with_an_address_runs_what_it_says(uneven_library):
    visitor = Visitor(uneven_library, tab="probabilities", **{name: text for name, (text, _) in WRITTEN.items()})
    visitor.load()
    for name, (_, value) in WRITTEN.items():
        assert visitor.value(name) == value
    run = visitor.run
    assert run.prompt_ids[0] == 50256
    assert (run.prompt, run.settings.max_new_tokens, run.settings.seed) == ("Once upon a time & 100 %", 7, 99)
    assert (run.settings.sampling.temperature, run.settings.sampling.top_k) == (0.0, 12)  # greedy
    assert run.settings.sampling.top_p == 0.85


def opened(library, **query: str) -> Visitor:
    visitor = Visitor(library, length="4", **query)
    visitor.load()
    return visitor


def test_a_link_opens_what_a_tab_showed(uneven_library):
    visitor = opened(uneven_library, tab="layernorm", view="Per token", block="2", norm="norm2")
    assert (visitor.value("norm-view"), visitor.value("norm-block"), visitor.value("norm-name")) == (
        "Per token",
        2,
        "norm2",
    )
    assert "Token 5 of 8" in visitor.value("norm-where")
    visitor = opened(uneven_library, tab="map", view="norm1", block="1", head="1", show="Length", token="2")
    assert visitor.value("map-box") == "norm1" and visitor.value("map-carried") == "Length"
    assert "LayerNorm 1 of block 1" in visitor.value("map-heading")
    assert "Token 2 of 8" in visitor.value("map-where")


def test_a_link_sets_nothing_of_a_tab_that_it_does_not_name(uneven_library):
    visitor = opened(uneven_library, tab="map", view="norm1", block="1")
    assert (visitor.value("norm-block"), visitor.value("inside-view")) == (0, "Attention")


@pytest.mark.parametrize(
    ("text", "place"), [("1", 0), ("8", 7), ("0", None), ("-1", None), ("x", None), ("9" * 9_000, None)]
)
def test_the_token_of_the_address_counts_from_one_and_nonsense_selects_none(text, place):
    assert token_from(SimpleNamespace(query_params={"token": text})) == place


def test_a_link_selects_a_token_on_every_tab_also_on_one_that_it_does_not_name(uneven_library):
    visitor = opened(uneven_library, tab="map", token="2")
    for tab, where in (("LayerNorm", "norm-where"), ("Inside", "inside-where"), ("Map", "map-where")):
        visitor.open_tab(tab)
        assert "Token 2 of 8" in visitor.value(where)
    visitor.open_tab("Probabilities")
    assert 'class="token prompt scaled selected" data-index="1"' in visitor.value("probabilities-strip")


@pytest.mark.parametrize("nonsense", ["", "-1", "1.5", "many", "9" * 30])
def test_what_is_no_place_leaves_the_view_as_it_is(uneven_library, nonsense):
    visitor = opened(uneven_library, tab="map", view=nonsense, block=nonsense, head=nonsense, show=nonsense)
    assert (visitor.value("map-box"), visitor.value("map-block"), visitor.value("map-carried")) == (
        "attention",
        0,
        "Shape",
    )

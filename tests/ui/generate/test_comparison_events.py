"""What stands beside the run of the Generate tab: the same prompt and seed by another model, precision or settings."""

import io
import json
from html import unescape
from itertools import islice
from typing import Any

import pandas
import pytest

from gpt.library import Library
from gpt.run_comparison import compared, parting
from gpt.runs import grow, new_run
from gpt.sampling import Sampling
from tests.own_vocabulary import with_characters
from tests.ui.visitor import Visitor

SETTINGS: dict[str, Any] = {"length": 6, "temperature": 0.7, "top_k": 30, "top_p": 0.9, "seed": 11, "greedy": False}


@pytest.fixture
def library(uneven_library) -> Library:
    return Library(uneven_library.default, local_files=True)


@pytest.fixture
def arrived(library) -> Visitor:
    """A visitor for whom the page wrote six tokens."""
    visitor = Visitor(library)
    visitor.put(prompt="Every effort", **SETTINGS)
    visitor.fire("generate")
    return visitor


def choose(visitor: Visitor, kind: str, **values: Any) -> str:
    """Choose what stands beside; gives what is said of the two."""
    visitor.put(beside=kind, **values)
    visitor.fire("beside", "input")
    return unescape(visitor.value("beside-said") or "")


def is_shown(visitor: Visitor) -> bool:
    (area,) = [block for block in visitor.blocks.blocks.values() if "beside" in (block.elem_classes or [])]
    changes = [value for block, value in visitor.news if block is area]
    return bool(changes) and changes[-1]["visible"]


def test_nothing_stands_beside_a_run_at_first(arrived):
    assert arrived.value("beside") == "nothing"
    assert not arrived.value("beside-strip")


def test_the_untrained_model_is_one_click_and_its_numbers_are_the_librarys(arrived, library):
    said = choose(arrived, "untrained", beside_seed=7)
    first, second = library.get(), library.get(f"{library.default}:untrained#7")
    run = arrived.run
    *_, beside = grow(second.model, new_run(second.model, second.reference, run.prompt, run.settings))
    tokens = list(compared(first.model, run, second.model))
    place = parting(run, beside)
    assert f"They part at token {place + 1}: “{run.reader.visible(run.ids[place])}” here, " in said
    mean = sum(each.kl_bits for each in tokens) / len(tokens)
    assert f"lie {mean:.2f} bits apart on average" in said
    assert arrived.value("beside-strip").count("<button") == len(beside.ids)
    assert arrived.value("beside-strip").count("selected") == (1 if place < len(beside.ids) else 0)
    figure = json.loads(arrived.value("beside-figure").plot)
    assert figure["data"][0]["y"] == pytest.approx([each.kl_bits for each in tokens])
    read = pandas.read_csv(io.BytesIO(arrived.saved("beside-csv")["text"].encode()), encoding="utf-8-sig")
    assert read["kl_bits"].tolist() == pytest.approx([each.kl_bits for each in tokens])
    assert read["token number"].tolist() == [each.position + 1 for each in tokens]
    assert read["second_probability"].tolist() == pytest.approx([each.second.probability for each in tokens])
    assert read["token_id"].tolist() == list(run.ids[1:])
    assert f"{library.default}:untrained#7" in read["selected beside"][0]


def test_another_precision_and_another_model_are_written_beside_and_the_loaded_one_stays(arrived, library):
    loaded = arrived.value("loaded")
    library.get(f"{library.default}:int8")
    assert "bits apart on average" in choose(arrived, "precision", beside_precision="int8")
    assert f"{library.default}:int8" in arrived.value("beside-heading")
    choose(arrived, "model", beside_model="storyteller")
    assert "Beside it: storyteller, T 0.7, top-k 30, top-p 0.9" in arrived.value("beside-heading")
    assert arrived.value("loaded") == loaded
    assert arrived.run.model_name == library.default


def test_other_settings_draw_another_text_from_the_same_predictions(arrived):
    said = choose(arrived, "settings", beside_T=1.5, beside_k=0, beside_p=1)
    assert "Both are the same model, so the predictions are the same" in said
    read = pandas.read_csv(io.BytesIO(arrived.saved("beside-csv")["text"].encode()), encoding="utf-8-sig")
    assert set(read["kl_bits"]) == {0}
    pair = _pair(arrived)
    assert pair.second.settings.sampling == Sampling(1.5, 0, 1)
    assert pair.second.settings.seed == pair.first.settings.seed


def _pair(visitor: Visitor) -> Any:
    (pair,) = [value for value in visitor.values.values() if type(value).__name__ == "Pair"]
    return pair


def test_the_same_on_both_sides_is_refused_with_a_sentence(arrived):
    choose(arrived, "precision", beside_precision="float32")
    assert "Both sides would be the same" in arrived.value("beside-note")
    assert not is_shown(arrived)
    choose(arrived, "untrained", beside_seed=None)
    assert "The weight seed needs a whole number." in arrived.value("beside-note")


def test_a_model_that_is_not_loaded_waits_for_a_press_of_its_button(arrived):
    choose(arrived, "precision", beside_precision="int8")
    assert "is not loaded yet." in arrived.value("beside-note")
    assert not is_shown(arrived)
    arrived.fire("beside-load")
    assert is_shown(arrived)
    assert arrived.value("beside-note") == ""
    choose(arrived, "model", beside_model="gpt2-124M")
    assert "gpt2-124M in float32 is not on this machine yet." in arrived.value("beside-note")
    assert arrived.shown("beside-load") == ["Download gpt2-124M from the Hub and compare"]
    assert not is_shown(arrived)


def test_a_model_with_another_vocabulary_gets_its_text_and_a_sentence(arrived, library, tmp_path):
    own = with_characters(tmp_path)
    library.get(str(own))
    arrived.put(prompt="ab")
    arrived.fire("generate")
    said = choose(arrived, "model", beside_model=str(own))
    assert "different vocabularies: their tokens cannot be compared one by one" in said
    assert arrived.value("beside-strip")
    assert arrived.saved("beside-csv") is None


def test_the_next_run_is_compared_when_it_is_there(arrived):
    choose(arrived, "untrained")
    before = _pair(arrived).first
    arrived.put(prompt="Hello, I am")
    arrived.fire("generate")
    assert _pair(arrived).first == arrived.run != before
    assert is_shown(arrived)
    choose(arrived, "nothing")
    assert not is_shown(arrived)
    arrived.fire("generate")
    assert not is_shown(arrived)


def test_a_run_that_is_compared_already_is_not_compared_again(arrived):
    choose(arrived, "untrained")
    pair = _pair(arrived)
    arrived.open_tab("Generate")
    assert _pair(arrived) is pair


def test_a_run_that_was_stopped_is_not_outrun(arrived, monkeypatch):
    monkeypatch.setattr("gpt.ui.generate.run_display.within", lambda runs, _: islice(runs, 2))
    arrived.fire("generate")
    assert len(arrived.run.steps) == 2
    choose(arrived, "untrained")
    assert len(_pair(arrived).second.steps) == 2


def test_past_the_limit_of_time_nothing_is_shown_in_part(arrived, monkeypatch):
    monkeypatch.setattr("gpt.ui.generate.comparison_events.within", lambda steps, _: islice(steps, 3))
    choose(arrived, "untrained")
    assert "seconds: this time is over" in arrived.value("beside-note")
    assert not is_shown(arrived)


def test_a_link_sets_what_stands_beside(uneven_library):
    visitor = Visitor(
        Library(uneven_library.default), tab="generate", length="4", prompt="Every", beside="untrained", beside_seed="9"
    )
    visitor.load()
    assert visitor.value("beside") == "untrained"
    assert _pair(visitor).second.model_name == f"{uneven_library.default}:untrained#9"
    assert _pair(visitor).first == visitor.run

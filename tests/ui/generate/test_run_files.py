"""A run is saved as a file and opened again; a file that cannot be opened changes nothing but one sentence."""

import json
from itertools import islice
from typing import Any

import pytest

from gpt.library import Library
from tests.ui.visitor import Visitor

SETTINGS: dict[str, Any] = {"length": 6, "temperature": 0.7, "top_k": 30, "top_p": 0.9, "seed": 11, "greedy": False}


def arrived(library: Library, prompt: str = "Every effort", **settings: Any) -> Visitor:
    visitor = Visitor(library)
    visitor.put(prompt=prompt, **(SETTINGS | settings))
    visitor.fire("generate")
    return visitor


@pytest.fixture
def saved(uneven_library) -> tuple[Visitor, str]:
    """Somebody with a run, and its file."""
    visitor = arrived(uneven_library)
    return visitor, visitor.saved("save-this-run")["text"]


@pytest.fixture
def other(uneven_library) -> Visitor:
    """Somebody else, with another run."""
    return arrived(uneven_library, "Hello, I am", length=3, temperature=1.2, seed=5)


def open_file(visitor: Visitor, text: str) -> str:
    """Choose a file; gives what the line under the strip says in the end."""
    visitor.put(opened_file=text)
    visitor.fire("open-run")
    return visitor.value("run-status")


def with_fields(text: str, **fields: Any) -> str:
    return json.dumps(json.loads(text) | fields)


def test_the_file_has_a_name_and_no_path_of_this_machine(saved, uneven_library):
    visitor, text = saved
    file = visitor.saved("save-this-run")
    assert file["type"] == "application/json"
    assert file["name"].startswith("saved-run_") and file["name"].endswith(".json")
    assert uneven_library.default not in text
    assert json.loads(text)["model"] == f"file:{uneven_library.default.rsplit('/', 1)[-1]}"


def test_an_opened_run_is_the_one_that_was_saved_with_its_settings(saved, other):
    writer, text = saved
    said = open_file(other, text)
    assert other.run == writer.run != None  # noqa: E711
    assert "6 new tokens, opened from a file" in said
    assert {name: other.value(name) for name in SETTINGS} == SETTINGS
    assert other.value("prompt") == "Every effort"
    assert other.value("run-strip") == writer.value("run-strip")
    assert other.value("run-code") == writer.value("run-code") != ""
    assert other.open_tab("Probabilities") == writer.open_tab("Probabilities")


def test_a_greedy_run_and_one_that_was_stopped_open_as_they_were(uneven_library, other, monkeypatch):
    monkeypatch.setattr("gpt.ui.generate.run_display.within", lambda runs, _: islice(runs, 2))
    writer = arrived(uneven_library, greedy=True)
    assert len(writer.run.steps) == 2
    open_file(other, writer.saved("save-this-run")["text"])
    assert other.run == writer.run
    assert (other.value("greedy"), other.value("temperature")) == (True, 1.2)


def test_a_branch_opens_with_the_run_it_came_from(saved, other):
    writer, _ = saved
    writer.open_tab("Probabilities")
    writer.fire("probabilities-strip", "select", 4)
    writer.fire("candidates", "select", 262 if writer.run.ids[4] != 262 else 11)
    writer.fire("take")
    open_file(other, writer.saved("save-this-run")["text"])
    assert other.run == writer.run
    assert other.run.parent == writer.run.parent is not None
    assert other.value("prompt") == "Every effort"


def test_a_run_of_another_precision_brings_its_model(uneven_library):
    library = Library(uneven_library.default)  # another test may have loaded the precision in the shared one
    other = arrived(library, "Hello, I am", length=3, temperature=1.2, seed=5)
    writer = arrived(Library(uneven_library.default), length=3)
    (radio,) = [block for block in writer.blocks.blocks.values() if getattr(block, "label", "") == "Precision"]
    writer.values[radio._id] = "int8"
    writer.fire("load-model")
    text = writer.saved("save-this-run")["text"]
    before = other.run
    said = open_file(other, text)
    assert ":int8, which is not loaded: load it under Change model, then open the file again." in said
    assert other.run is before
    library.get(f"{library.default}:int8")
    open_file(other, text)
    assert other.run == writer.run
    assert "int8" in other.value("loaded")
    assert other.value("whose-said") == ""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": "gpt2-124M", "weights": "0" * 64}, "written by gpt2-124M, which is not loaded"),
        ({"weights": "0" * 64}, "are not those that wrote this run"),
        ({"token_ids": [1, 2, 3, 4, 5, 6]}, "in the file, and its model writes"),
        ({"prompt": "Every"}, "other tokens than its model gives it"),
        ({"prompt": 3}, "prompt is 3 in the file"),
        ({"format": "else"}, "no saved run"),
    ],
)
def test_a_file_that_cannot_be_opened_loses_nothing(saved, other, fields, said):
    before = other.run
    other.put(prompt="something that is typed, and not run yet")
    assert said in open_file(other, with_fields(saved[1], **fields))
    assert other.run is before
    assert other.value("prompt") == "something that is typed, and not run yet"
    assert (other.value("length"), other.value("seed")) == (3, 5)
    assert "idle" in str([value for block, value in other.news if block.elem_id == "stop"][-1:] or "idle")


def test_settings_that_the_page_cannot_have_are_refused(saved, other):
    settings = json.loads(saved[1])["settings"]
    said = open_file(other, with_fields(saved[1], settings=settings | {"temperature": 3}))
    assert "Temperature is 3 in the file: this page takes 0.05 to 2." in said
    said = open_file(other, with_fields(saved[1], settings=settings | {"max_new_tokens": 2_000}))
    assert "choose at most 1,000 new tokens" in said


def test_a_run_that_takes_longer_than_this_server_allows_is_not_shown_in_part(saved, other, monkeypatch):
    before = other.run
    monkeypatch.setattr("gpt.ui.generate.run_files.within", lambda runs, _: islice(runs, 2))
    assert "seconds: this time is over" in open_file(other, saved[1])
    assert other.run is before


def test_no_file_chosen_changes_nothing(saved, other):
    _, text = saved
    open_file(other, text)
    shown = other.value("run-status")
    assert open_file(other, None) == shown
    assert other.shown("run-strip") == []

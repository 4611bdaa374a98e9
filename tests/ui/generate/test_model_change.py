"""Another model is loaded: its text takes the place of the old one's, or the page says whose figures it shows."""

from pathlib import Path
from threading import Thread

import pytest

from gpt.library import Library
from gpt.ui.generate.first_prompt import DEFAULT_PROMPT
from tests.own_vocabulary import with_characters, with_ids
from tests.ui.visitor import Visitor


@pytest.fixture(scope="module")
def library(uneven_library: Library) -> Library:
    """One that opens files, too."""
    return Library(uneven_library.default, local_files=True)


@pytest.fixture
def arrived(library: Library) -> Visitor:
    """A visitor on LayerNorm, for whom the page wrote six tokens."""
    visitor = Visitor(library, tab="layernorm")
    visitor.put(prompt="Every effort", length=6, temperature=0.7, top_k=30, top_p=0.9, seed=11)
    visitor.fire("generate")
    return visitor


def load(visitor: Visitor, **choice: object) -> None:
    """Choose a model and press Load."""
    visitor.put(**choice)
    visitor.fire("load-model")


def load_precision(visitor: Visitor, precision: str) -> None:
    (radio,) = [block for block in visitor.blocks.blocks.values() if getattr(block, "label", "") == "Precision"]
    visitor.values[radio._id] = precision
    visitor.fire("load-model")


def branch_off(visitor: Visitor) -> None:
    visitor.open_tab("Probabilities")
    visitor.fire("probabilities-strip", "select", 4)
    visitor.fire("candidates", "select", 262 if visitor.run.ids[4] != 262 else 11)
    visitor.fire("take")
    assert visitor.run.parent is not None


def test_the_loaded_model_writes_the_same_prompt_with_the_same_settings_and_seed(arrived):
    before = arrived.run
    arrived.put(prompt="something that is typed, and not run yet")
    load_precision(arrived, "int8")
    after = arrived.run
    assert after.model_name == f"{before.model_name}:int8"
    assert (after.prompt, after.settings) == (before.prompt, before.settings)
    assert arrived.value("prompt") == "something that is typed, and not run yet"
    assert arrived.value("whose-said") == ""


def test_the_same_model_again_writes_nothing(arrived):
    before = arrived.run
    load_precision(arrived, "float32")
    assert arrived.run is before


def test_a_branch_stays_and_says_whose_it_is_until_it_is_run_again(arrived):
    branch_off(arrived)
    branch = arrived.run
    load_precision(arrived, "int8")
    assert arrived.run is branch
    assert branch.model_name in arrived.value("whose-said")
    assert f"{branch.model_name}:int8 is loaded" in arrived.value("whose-said")
    arrived.fire("whose-again")
    again = arrived.run
    assert again.model_name == f"{branch.model_name}:int8" == again.parent.model_name
    assert (again.parted_at, again.ids[again.parted_at]) == (branch.parted_at, branch.ids[branch.parted_at])
    assert arrived.value("whose-said") == ""


def test_a_branch_of_the_loaded_model_needs_no_word(arrived):
    branch_off(arrived)
    load_precision(arrived, "int8")
    load_precision(arrived, "float32")
    assert arrived.value("whose-said") == ""


def test_a_prompt_that_the_model_cannot_read_stays_with_one_sentence(arrived, tmp_path: Path):
    arrived.put(prompt="42 efforts")
    arrived.fire("generate")
    before = arrived.run
    load(arrived, model_name=str(with_characters(tmp_path)))
    assert arrived.run is before
    assert arrived.value("prompt") == "42 efforts"
    assert arrived.value("whose-said").count("is loaded.") == 1
    assert "&#x27;4&#x27;" in arrived.value("whose-said")
    arrived.put(prompt="ab")
    arrived.fire("generate")
    assert arrived.value("whose-said") == ""


@pytest.mark.parametrize("typed", ["", "typed, and not run yet"])
def test_nobodys_prompt_gives_way_to_one_that_the_model_can_read_and_what_is_typed_stays(arrived, tmp_path, typed):
    arrived.put(prompt=DEFAULT_PROMPT)
    arrived.fire("generate")
    arrived.put(prompt=typed or DEFAULT_PROMPT)
    folder = with_ids(tmp_path)
    load(arrived, model_name=str(folder))
    assert arrived.run.model_name == str(folder)
    assert arrived.run.prompt != DEFAULT_PROMPT
    assert arrived.value("prompt") == (typed or arrived.run.prompt)


def test_a_text_that_is_running_is_stopped_before_the_loaded_model_writes(arrived):
    """Both send news to the same components: the old text's last ones come before the new one's first."""
    strip, status = arrived.component("run-strip"), arrived.component("run-status")
    (run_state,) = [block for block in arrived.blocks.blocks.values() if arrived.values[block._id] is arrived.run]
    writers = [fn for fn in arrived.blocks.fns.values() if strip in fn.outputs and run_state in fn.outputs]
    (generate,) = [fn.fn for fn in writers if (arrived.component("generate")._id, "click") in fn.targets]
    (changed,) = [fn.fn for fn in writers if any(event == "change" for _, event in fn.targets)]
    before, settings = arrived.run, (0.7, 30, 0.9, 11, False, False)
    writing = generate(arrived.request, "", "Every effort", 1000, *settings)
    news, after = [next(writing)], []
    reference = f"{before.model_name}:int8"
    loaded = changed(arrived.request, before, reference, "Every effort", 6, *settings)
    writer = Thread(target=lambda: after.extend(loaded))
    writer.start()
    news += writing
    writer.join()
    assert "stopped" in news[-1][status]
    assert {update[run_state].model_name for update in news if run_state in update} == {before.model_name}
    assert after[-1][run_state].model_name == reference

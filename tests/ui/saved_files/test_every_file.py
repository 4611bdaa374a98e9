"""Every file that the page saves holds, number by number, the arrays of the run it is about."""

import json

import pytest

from gpt.engine.weights_digest import weights_digest
from gpt.version import full_version

from .tables import BLOCK, TOKEN, visible, whole_table

BUTTONS = {
    "save-step", "save-run", "norm-csv", "example-csv", "inside-csv", "calc-csv", "calc-json",
    "save-gelu", "save-neurons", "save-gradients", "save-shapes",
    "account-csv", "heads-csv", "tokens-csv", "off-csv", "off-candidates-csv", "swap-csv",
    "save-tokens", "save-placeholder", "save-turn", "save-chapter-gradients", "inside-maps-csv",
    "train-csv",  # in ui/train/test_tab.py
    "save-this-run",  # in ui/generate/test_run_files.py
    "beside-csv",  # in ui/generate/test_comparison_events.py
}  # fmt: skip
# Nothing is there until something is asked.
WITHOUT_A_FILE_HERE = {"beside-csv", "off-csv", "off-candidates-csv", "swap-csv", "train-csv", "save-turn"}


def test_every_button_that_saves_has_its_claim(visitor):
    blocks = visitor.blocks.blocks.values()
    assert {block.elem_id for block in blocks if "save" in (block.elem_classes or [])} == BUTTONS


def test_every_row_says_of_which_model_prompt_and_selection_it_is(visitor, ids):
    visitor.put(norm_view="Per token", norm_block=BLOCK, norm_name="norm2")
    read = whole_table(visitor.saved("norm-csv"), "layernorm-per-token")
    assert set(read["model"]) == {visitor.run.model_name}
    assert set(read["prompt"]) == {"Every effort moves you"}
    assert set(read["selected block"]) == {str(BLOCK)}
    assert set(read["selected norm"]) == {"norm2"}
    assert set(read["selected token number"]) == {str(TOKEN + 1)}
    assert set(read["selected token"]) == set(visible(ids[TOKEN : TOKEN + 1]))
    assert set(read["selected token id"]) == {str(ids[TOKEN])}


JSON_OF_A_MODEL = ["save-run", "save-shapes"]


@pytest.mark.usefixtures("ids")
def test_every_json_file_is_known(visitor):
    files = {button: visitor.saved(button) for button in BUTTONS - WITHOUT_A_FILE_HERE}
    found = {button for button, file in files.items() if file["type"] == "application/json"}
    assert found == {*JSON_OF_A_MODEL, "calc-json", "save-this-run"}


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("button", JSON_OF_A_MODEL)
def test_a_json_file_says_of_which_model_weights_and_code_it_is(visitor, uneven_model, button):
    visitor.put(shapes_text="The chapter's two sentences")
    saved = json.loads(visitor.saved(button)["text"])
    assert saved["app"] == "GPT-2 explorer" and saved["version"] == full_version()
    assert saved["model"] == visitor.run.model_name
    assert saved["weights"]["precision"] == "float32"
    assert saved["weights"]["digest"] == weights_digest(uneven_model)


def test_shapes_of_a_model_without_weights_name_no_weights(visitor):
    visitor.put(shapes_model="gpt2-124M")
    saved = json.loads(visitor.saved("save-shapes")["text"])
    visitor.put(shapes_model="the loaded one")
    assert (saved["model"], saved["weights"]) == ("gpt2-124M", None)


def test_the_calculation_says_with_which_code_it_was_made(visitor):
    saved = json.loads(visitor.saved("calc-json")["text"])
    assert (saved["version"], saved["model"], saved["weights"]) == (full_version(), None, None)

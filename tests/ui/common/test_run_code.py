"""How the code behind a view names the model and the text of a run."""

from pathlib import Path

import pytest

from gpt.generation import Settings
from gpt.runs import Run
from gpt.tokenizer import TokenIds
from gpt.ui.common.run_code import ids_code, model_code, prompt_code


@pytest.mark.parametrize(
    ("reference", "line"),
    [
        ("storyteller", "model = load_model('assets/storyteller')"),
        ("storyteller:int8", "model = load_model('assets/storyteller', precision='int8')"),
        ("gpt2-124M", "model = load_model('PATH OF gpt2-124M')"),
        ("gpt2-124M-untrained#7", "torch.manual_seed(7)"),
        ("storyteller:untrained#7", "torch.manual_seed(7)"),
        ("storyteller:untrained#7", "init_weights(model)"),
        ("storyteller:int8:untrained", "model = load_model(\"untrained\", precision='int8')"),
        ("gpt2-124M-untrained:int8", "model = load_model(\"untrained\", precision='int8')"),
    ],
)
def test_a_reference_is_loaded_or_drawn_with_its_seed(reference, line):
    assert line in str(model_code(reference)).splitlines()


def test_a_local_file_is_named_without_the_folders_it_lies_in(tmp_path: Path):
    (tmp_path / "own.safetensors").touch()
    text = str(model_code(f"{tmp_path / 'own.safetensors'}:gelu:4heads"))
    assert "load_model('PATH OF own.safetensors', activation='gelu', n_heads=4)" in text
    assert str(tmp_path) not in text


def test_a_model_without_a_tokenizer_gets_its_ids_written_out():
    run = Run("storyteller", "5 6", (5, 6), Settings(), reader=TokenIds(8))
    assert "ids = [5, 6]" in str(ids_code(run)).splitlines()


def test_a_text_that_begins_with_end_of_text_says_so():
    run = Run("storyteller", "Once", (50256, 7454), Settings(), begin_with_end_of_text=True)
    assert "ids = [tokenizer.end_of_text] + tokenizer.encode('Once')" in str(ids_code(run)).splitlines()


def test_a_branch_inside_the_prompt_has_the_ids_of_its_cut_prompt():
    parent = Run("storyteller", "Once upon", (7454, 2402), Settings())
    cut = Run("storyteller", "Once", (7454,), Settings(), parent=parent, parted_at=1)
    assert "ids = [7454]" in str(prompt_code(cut)).splitlines()

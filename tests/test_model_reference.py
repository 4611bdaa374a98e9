"""How a model is named: a reference is text that survives, and a link holds no path of this machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.config import ACTIVATIONS
from gpt.engine.precision import PRECISIONS
from gpt.model_reference import (
    CHAPTER_SEED,
    NAMES,
    UNTRAINED,
    Reference,
    file_name,
    in_an_address,
    is_path,
    is_repository,
)
from gpt.seeding import LARGEST_WEIGHT_SEED

PLACES = ["gpt2-124M", "someone/model", "/some/where/model.safetensors", "C:\\files\\model.safetensors"]


@given(
    st.sampled_from([UNTRAINED, *PLACES]),
    st.sampled_from(PRECISIONS),
    st.integers(0, LARGEST_WEIGHT_SEED),
    st.none() | st.sampled_from(ACTIVATIONS),
    st.none() | st.integers(1, 999_999),
    st.booleans(),
)
def test_a_reference_survives_being_written_and_read(name, precision, seed, activation, n_heads, untrained):
    reference = Reference(name, precision, seed, activation, n_heads, untrained)
    assert Reference.parse(str(reference)) == reference


def test_a_weight_seed_that_no_generator_takes_is_refused():
    with pytest.raises(ValueError, match="The weight seed is 4294967296: choose a whole number from 0"):
        Reference.parse(f"{UNTRAINED}#{LARGEST_WEIGHT_SEED + 1}")
    for seed in (-1, LARGEST_WEIGHT_SEED + 1, 1.5, 7.0, True, None):
        with pytest.raises(ValueError, match=f"The weight seed is {seed}: choose a whole number from 0 to 4,29"):
            Reference(UNTRAINED, seed=seed)
    with pytest.raises(ValueError, match="There is no precision 'float8'"):
        Reference(UNTRAINED, "float8")


def test_a_reference_without_settings_is_the_bare_name():
    assert str(Reference("gpt2-124M", "float32", CHAPTER_SEED)) == "gpt2-124M"
    assert str(Reference(UNTRAINED, "int8", 7)) == f"{UNTRAINED}:int8#7"


def test_a_text_without_a_name_is_refused():
    with pytest.raises(ValueError, match="No model is named: give one of the names that /models lists"):
        Reference.parse("")


@pytest.mark.parametrize("path", ["/home/me/secret/model.safetensors", "C:\\me\\secret\\model.safetensors"])
def test_a_link_names_a_local_file_without_its_folder(path):
    assert file_name(path) == "model.safetensors"
    assert in_an_address(f"{path}:int8:4heads") == "file:model.safetensors:int8:4heads"


@pytest.mark.parametrize("reference", [*sorted(NAMES), "someone/model", f"{UNTRAINED}:bfloat16#7"])
def test_a_link_names_any_other_model_as_it_is(reference):
    assert in_an_address(reference) == reference


def test_a_folder_without_a_name_of_its_own_has_that_of_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert file_name(".") == file_name("") == tmp_path.name


def test_what_exists_is_a_path_and_what_looks_like_a_repository_is_one_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_repository("someone/model")
    assert not is_path("someone/model")
    (tmp_path / "someone" / "model").mkdir(parents=True)
    assert is_path("someone/model")
    assert is_path("~")
    assert is_path("gone.safetensors")
    assert is_path("a/b/gone")
    assert not is_path("gpt-5")


def test_our_own_names_are_neither(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        (tmp_path / name).mkdir()
        assert not is_path(name)
        assert not is_repository(name)

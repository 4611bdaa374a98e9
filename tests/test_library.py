"""The library: one model for everybody, loaded once, named by a reference, refused by a sentence."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt import WeightsError
from gpt.library import CHAPTER_SEED, UNTRAINED, Library, Reference
from gpt.precision import PRECISIONS


@given(
    st.sampled_from([UNTRAINED, "gpt2-124M", "/some/where/model.safetensors", "C:\\files\\model.safetensors"]),
    st.sampled_from(PRECISIONS),
    st.integers(0, 10**17),
)
def test_a_reference_survives_being_written_and_read(name, precision, seed):
    reference = Reference(name, precision, seed)
    assert Reference.parse(str(reference)) == reference


def test_a_reference_without_settings_is_the_bare_name():
    assert str(Reference("gpt2-124M", "float32", CHAPTER_SEED)) == "gpt2-124M"
    assert str(Reference(UNTRAINED, "int8", 7)) == f"{UNTRAINED}:int8#7"


def test_one_model_is_loaded_once_and_shared(small_folder):
    library = Library(str(small_folder))
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: library.get(), range(4)))
    assert all(each.model is loaded[0].model for each in loaded)
    assert not any(parameter.requires_grad for parameter in loaded[0].model.parameters())
    assert not loaded[0].model.training


def test_the_untrained_model_is_the_chapters_and_its_seed_can_be_changed():
    library = Library(UNTRAINED)
    chapter, other = library.get(), library.get(f"{UNTRAINED}#7")
    # Chapter 4, section 4.7: greedy after "Hello, I am".
    assert chapter.model(torch.tensor([[15496, 11, 314, 716]]))[0, -1].argmax() == 27018
    assert other.model.tok_emb.weight[0, 0] != chapter.model.tok_emb.weight[0, 0]
    # Section 4.6: 163,009,536 parameters, 621.83 MB of 2^20 bytes.
    assert (chapter.parameters, chapter.weight_bytes, chapter.trained) == (163_009_536, 652_038_144, False)


def test_a_model_in_int8_is_smaller_and_another_entry(small_folder):
    library = Library(str(small_folder))
    plain, small = library.get(), library.get(f"{small_folder}:int8")
    assert small.weight_bytes < plain.weight_bytes
    assert small.parameters == plain.parameters
    assert small.precision == small.model.precision == "int8"
    assert library.get(f"{small_folder}:int8") is small


def test_what_is_not_used_is_let_go_when_memory_is_short(small_folder, monkeypatch):
    library = Library(str(small_folder))
    first = library.get()
    monkeypatch.setattr("gpt.library._machine_bytes", lambda: 0)
    library.get(f"{small_folder}:bfloat16")
    again = library.get()
    assert again is not first
    assert torch.equal(again.model.tok_emb.weight, first.model.tok_emb.weight)


def test_strangers_cannot_open_files_of_the_server(small_folder):
    public = Library(UNTRAINED, local_files=False)
    with pytest.raises(ValueError, match="There is no model called"):
        public.get(str(small_folder))
    assert Library(UNTRAINED, local_files=True).get(str(small_folder)).trained
    assert Library(str(small_folder), local_files=False).get().trained


@pytest.mark.parametrize("reference", ["gpt-5", ":int8", "#3", "storyteller:int4"])
def test_an_unknown_name_is_refused_with_the_known_ones(reference):
    with pytest.raises(ValueError, match=r"gpt2-1558M|/models"):
        Library(UNTRAINED).get(reference)


def test_a_missing_file_is_refused_by_its_path(tmp_path):
    with pytest.raises(WeightsError, match=r"nothing\.safetensors"):
        Library(UNTRAINED, local_files=True).get(str(tmp_path / "nothing.safetensors"))


def test_a_load_that_failed_can_be_tried_again(small_folder, tmp_path):
    library = Library(UNTRAINED, local_files=True)
    path = tmp_path / "later.safetensors"
    with pytest.raises(WeightsError):
        library.get(str(path))
    path.write_bytes((small_folder / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_bytes((small_folder / "config.json").read_bytes())
    assert library.get(str(path)).trained


def test_every_model_is_listed_with_the_published_parameter_counts(small_folder):
    infos = {info.name: info for info in Library(str(small_folder)).models()}
    # Published: OpenAI's released sizes with tied head and query-key-value bias; the chapter's untied 124M.
    assert infos["gpt2-124M"].parameters == 124_439_808
    assert infos["gpt2-355M"].parameters == 354_823_168
    assert infos["gpt2-774M"].parameters == 774_030_080
    assert infos["gpt2-1558M"].parameters == 1_557_611_200
    assert infos[UNTRAINED].parameters == 163_009_536
    assert infos[str(small_folder)].available
    assert not infos[UNTRAINED].trained


def test_says_whether_a_model_is_loaded_without_loading_it(small_folder):
    library = Library(str(small_folder))
    assert not library.is_loaded("")
    library.get()
    assert library.is_loaded("")
    assert not library.is_loaded(f"{library.default}:int8")
    with pytest.raises(ValueError, match="There is no model called"):
        library.is_loaded("nonsense")

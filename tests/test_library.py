"""The library: one model for everybody, loaded once and let go when memory is short."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import sleep

import pytest
import torch

from gpt import GPTModel, WeightsError
from gpt.engine.precision import PRECISIONS, set_precision
from gpt.engine.weights_digest import weights_digest
from gpt.files import hub
from gpt.library import Library
from gpt.model_reference import UNTRAINED, Reference
from gpt.seeding import init_weights, seeded
from tests.conftest import SMALL


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


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_model_untrained_has_the_same_settings_and_words_and_weights_as_a_training_begins(small_folder, precision):
    library = Library(str(small_folder))
    named = str(Reference(str(small_folder), precision, 7, untrained=True))
    trained, untrained = library.get(), library.get(named)
    with seeded(7):
        expected = GPTModel(trained.model.config)
        init_weights(expected)
    expected = set_precision(expected.eval().requires_grad_(False), precision)
    assert weights_digest(untrained.model) == weights_digest(expected)
    assert untrained.model.config == trained.model.config
    assert untrained.model.tokenizer is not None
    assert (untrained.reference, untrained.trained, untrained.precision) == (named, False, precision)
    assert library.comes_at_once(f"{small_folder}:untrained")
    assert library.get(f"{small_folder}:untrained").reference == f"{small_folder}:untrained"


def test_a_model_untrained_comes_at_once_where_the_trained_one_does_and_memory_allows(monkeypatch):
    library = Library(hub_models=["gpt2-124M"])
    assert library.comes_at_once("storyteller:untrained")
    assert not library.comes_at_once("gpt2-124M:untrained")
    # Beside the trained one in float32: 4 bytes a weight and 4 for reading it, of both.
    assert library.bytes_needed(library.known("storyteller:untrained")) == 16 * library.get("storyteller").parameters
    only_room_for(monkeypatch, 100)
    with pytest.raises(ValueError, match="choose a smaller one"):
        library.comes_at_once("storyteller:untrained")


def test_the_untrained_124m_is_the_chapters_however_it_is_named():
    library = Library()
    assert str(library.known(f"{UNTRAINED}:untrained#7")) == f"{UNTRAINED}#7"


def test_a_model_in_int8_is_smaller_and_another_entry(small_folder):
    library = Library(str(small_folder))
    plain, small = library.get(), library.get(f"{small_folder}:int8")
    assert small.weight_bytes < plain.weight_bytes
    assert small.parameters == plain.parameters
    assert small.precision == small.model.precision == "int8"
    assert library.get(f"{small_folder}:int8") is small


def seeded_small(seed: int) -> GPTModel:
    with seeded(seed):
        return GPTModel(SMALL).eval().requires_grad_(False)


def only_room_for(monkeypatch, n_bytes: float) -> None:
    monkeypatch.setattr("gpt.library.memory_bytes", lambda: n_bytes)
    monkeypatch.setattr("gpt.library._MEMORY_SHARE", 1)


def test_a_model_that_nobody_uses_is_let_go_when_memory_is_short(small_folder, monkeypatch):
    library = Library(UNTRAINED, local_files=True)
    needed = 8 * library.get(str(small_folder)).parameters
    only_room_for(monkeypatch, needed + 1_000)
    library.get(f"{small_folder}:bfloat16")
    assert not library.is_loaded(str(small_folder))
    again = library.get(str(small_folder))  # it can be had again
    assert again.model(torch.tensor([[1, 2]])).isfinite().all()


def test_a_model_in_use_is_not_loaded_a_second_time(small_folder, monkeypatch):
    library = Library(UNTRAINED, local_files=True)
    used = library.get(str(small_folder))
    only_room_for(monkeypatch, 0)
    assert library._let_go_of_one()
    assert library.get(str(small_folder)).model is used.model


@pytest.mark.parametrize("used", ["get", "is_loaded"])
def test_when_memory_is_short_the_model_that_was_not_used_for_longest_goes(small_folder, monkeypatch, used):
    library = Library(UNTRAINED, local_files=True)
    plain, bfloat16, int8 = (f"{small_folder}{precision}" for precision in ("", ":bfloat16", ":int8"))
    taken = library.get(plain).held_bytes + library.get(bfloat16).held_bytes
    parameters = getattr(library, used)(plain) and library.get(plain).parameters
    only_room_for(monkeypatch, taken + 5 * parameters - 1)
    library.get(int8)
    assert [library.is_loaded(each) for each in (plain, bfloat16, int8)] == [True, False, True]


def test_the_default_model_stays(small_folder, monkeypatch):
    library = Library(str(small_folder), local_files=True)
    library.get()
    only_room_for(monkeypatch, 1)
    assert not library._let_go_of_one()
    assert library.is_loaded("")


def test_a_model_that_is_too_large_for_this_machine_is_refused_with_a_sentence(monkeypatch):
    only_room_for(monkeypatch, 1.5e9)
    library = Library(local_files=False)
    with pytest.raises(ValueError, match=r"gpt2-1558M in float32 takes about 13\.1 GB, and models may take 1\.5 GB"):
        library.get("gpt2-1558M")


def test_many_seeds_at_once_stay_within_the_limit(monkeypatch):
    """Nine people, each with weights of their own: at no moment more is in memory than the limit."""
    most = 0
    library = Library()
    only_room_for(monkeypatch, 2.6 * 8 * 163_009_536)

    def drawn(seed: int) -> GPTModel:
        nonlocal most
        most = max(most, library._memory.taken())
        return seeded_small(seed)

    monkeypatch.setattr("gpt.library._untrained_model", drawn)
    with ThreadPoolExecutor(9) as pool:
        list(pool.map(lambda seed: library.get(f"{UNTRAINED}#{seed}").reference, range(9)))
    assert 8 * 163_009_536 <= most <= library._memory.limit()


def test_everybody_who_wants_a_model_sees_the_same_progress(small_folder, monkeypatch):
    downloading, go_on = Event(), Event()

    def download(_: str, on_progress) -> Path:
        on_progress(3 * 2**20, 1500 * 2**20)
        downloading.set()
        assert go_on.wait(30)
        return small_folder

    monkeypatch.setattr(hub, "downloaded", lambda _: None)
    monkeypatch.setattr(hub, "download", download)
    library = Library(UNTRAINED)
    with library.loading("gpt2-124M") as one, library.loading("gpt2-124M") as other:
        assert one is other
        assert downloading.wait(30)
        assert other.said == "Downloading gpt2-124M: 3 of 1,500 MiB …"
        go_on.set()
        assert one.done.wait(30)
        assert one.answer().model is other.answer().model


def test_a_download_that_nobody_waits_for_ends(monkeypatch):
    begun, ended = Event(), Event()

    def download(_: str, on_progress) -> Path:
        begun.set()
        try:
            while True:
                on_progress(1, 2)
                sleep(0.01)
        finally:
            ended.set()

    monkeypatch.setattr(hub, "downloaded", lambda _: None)
    monkeypatch.setattr(hub, "download", download)
    with Library(UNTRAINED).loading("gpt2-124M"):
        assert begun.wait(30)
    assert ended.wait(30)


def test_the_models_are_listed_without_loading_one(small_folder):
    library = Library(str(small_folder))
    library.models()
    assert not library.is_loaded("")


def test_nobody_is_let_go_while_there_is_room(small_folder, monkeypatch):
    library = Library(str(small_folder))
    references = [f"{library.default}{precision}" for precision in ("", ":bfloat16", ":int8")]
    room = 3 * 8 * library.get().parameters
    monkeypatch.setattr("gpt.library._MEMORY_SHARE", 1)
    monkeypatch.setattr("gpt.library.memory_bytes", lambda: room)
    loaded = [library.get(reference) for reference in references]
    assert [library.get(reference) for reference in references] == loaded


def test_a_download_is_told_in_mebibytes_done_of_all(small_folder, monkeypatch):
    def download(_: str, on_progress) -> Path:
        on_progress(3 * 2**20, 1500 * 2**20)
        sleep(0.5)  # who waits looks several times a second
        return small_folder

    monkeypatch.setattr(hub, "downloaded", lambda _: None)
    monkeypatch.setattr(hub, "download", download)
    told = []
    Library(UNTRAINED).get("gpt2-124M", told.append)
    assert "Downloading gpt2-124M: 3 of 1,500 MiB …" in told


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


def test_says_whether_a_model_is_loaded_without_loading_it(small_folder):
    library = Library(str(small_folder))
    assert not library.is_loaded("")
    library.get()
    assert library.is_loaded("")
    assert not library.is_loaded(f"{library.default}:int8")
    with pytest.raises(ValueError, match="There is no model called"):
        library.is_loaded("nonsense")

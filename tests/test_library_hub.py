"""Repositories of the Hub in a library: which may be had, and what is known before they come."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gpt import GPTModel, WeightsError
from gpt.files.hub_cache import repository_folder
from gpt.library import Library
from gpt.model_reference import UNTRAINED, Reference
from tests.files.hub_client import files_of, point_to
from tests.files.hub_server import Hub, running
from tests.own_vocabulary import CHARACTERS, with_characters, with_ids

NAME, IDS, NEITHER = "someone/characters", "someone/ids", "someone/classifier"
NOT_HAD = "There is no model called"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub with two small models and something else, and an empty cache."""
    files = {NAME: files_of(with_characters(tmp_path / "characters")), IDS: files_of(with_ids(tmp_path / "ids"))}
    files[NEITHER] = {"config.json": b'{"model_type": "llama"}', "model.safetensors": b""}
    with running(Hub(files)) as served:
        point_to(monkeypatch, served.address, tmp_path / "cache")
        yield served


def model_of(library: Library, reference: str) -> GPTModel:
    return library.get(reference).model


@pytest.mark.usefixtures("hub")
def test_a_repository_is_one_model_by_its_name_and_by_its_address():
    library = Library(UNTRAINED)
    loaded = library.get(NAME)
    assert loaded.model.tokenizer.encode("So") == [CHARACTERS.index("S"), CHARACTERS.index("o")]
    for address in (f"https://huggingface.co/{NAME}", f"https://huggingface.co/{NAME}/tree/main", f"hf.co/{NAME}"):
        assert library.get(address) is loaded
    assert loaded.reference == NAME


@pytest.mark.usefixtures("hub")
def test_a_path_of_that_name_comes_first_where_paths_are_opened_and_strangers_reach_none(tmp_path, monkeypatch):
    with_ids(tmp_path / NAME)
    monkeypatch.chdir(tmp_path)
    assert model_of(Library(UNTRAINED, local_files=True), NAME).tokenizer is None
    assert model_of(Library(UNTRAINED), NAME).tokenizer is not None
    for kept in (NAME, str(tmp_path / NAME), "./" + NAME, "../" + tmp_path.name):
        with pytest.raises(ValueError, match=NOT_HAD):
            Library(UNTRAINED, hub_models=()).get(kept)


def test_what_a_host_lets_be_downloaded_is_had_and_listed_and_nothing_else(hub):
    library = Library(UNTRAINED, hub_models=(f"https://huggingface.co/{NAME}",))
    listed = {info.name: info for info in library.models()}
    assert (listed[NAME].available, listed[NAME].parameters) == (False, None)
    library.get(NAME)
    listed = {info.name: info for info in library.models()}
    assert (listed[NAME].available, listed[NAME].parameters) == (True, 18_384)
    hub.requests.clear()
    for ask in (library.get, library.description, library.is_loaded):
        with pytest.raises(ValueError, match=NOT_HAD):
            ask(IDS)
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_what_lies_in_the_cache_is_had_offline_but_not_by_strangers(monkeypatch):
    Library(UNTRAINED).get(NAME)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert Library(UNTRAINED, local_files=True, hub_models=()).get(NAME).parameters == 18_384
    with pytest.raises(ValueError, match=NOT_HAD):
        Library(UNTRAINED, hub_models=()).get(NAME)


def test_size_and_parameters_are_known_before_anything_is_kept(hub):
    library = Library(UNTRAINED)
    found = library.description(IDS).result(30)
    sizes = {name: len(content) for name, content in hub.repositories[IDS].items()}
    assert (found.parameters, found.bytes, found.refusal) == (15_460, sum(sizes.values()), "")
    assert not repository_folder(IDS).exists()
    library.get(IDS)
    assert library.description(IDS) is None
    assert library.description(UNTRAINED) is None


def test_what_is_no_gpt2_is_named_before_its_weights_are_asked_for(hub):
    library = Library(UNTRAINED)
    refusal = library.description(NEITHER).result(30).refusal
    with pytest.raises(WeightsError) as refused:
        library.get(NEITHER)
    assert "llama" in refusal.lower()
    assert str(refused.value) == refusal
    assert not any(".safetensors" in request for request in hub.requests)


def test_a_repository_that_memory_has_no_room_for_is_not_downloaded(hub, monkeypatch):
    monkeypatch.setattr("gpt.library.memory_bytes", lambda: 1000)
    with pytest.raises(ValueError, match=rf"{NAME} in float32 takes about 0\.0 GB, and models may take 0\.0 GB"):
        Library(UNTRAINED).get(NAME)
    assert not repository_folder(NAME).exists()
    assert any("config.json" in request for request in hub.requests)


@pytest.mark.usefixtures("hub")
def test_a_damaged_file_in_the_cache_is_removed_and_fetched_again():
    Library(UNTRAINED).get(NAME)
    (weights,) = repository_folder(NAME).glob("snapshots/*/model.safetensors")
    weights.resolve().write_bytes(b"")
    library = Library(UNTRAINED)
    with pytest.raises(WeightsError, match="was damaged on this machine and has been removed"):
        library.get(NAME)
    assert library.get(NAME).parameters == 18_384


def test_activation_and_heads_travel_with_the_reference_and_are_models_of_their_own(tmp_path):
    folder = with_ids(tmp_path)
    library = Library(UNTRAINED, local_files=True)
    plain, other = library.get(str(folder)), library.get(f"{folder}:bfloat16:relu:6heads")
    assert (plain.model.config.activation, plain.model.config.n_heads) == ("gelu", 3)
    assert (other.model.config.activation, other.model.config.n_heads) == ("relu", 6)
    assert Reference.parse(other.reference) == Reference(str(folder), "bfloat16", activation="relu", n_heads=6)
    ids = torch.tensor([[1, 2, 3]])
    assert not torch.allclose(plain.model(ids), other.model(ids))
    assert library.get(f"{UNTRAINED}:relu").reference == UNTRAINED  # it has no file that could say otherwise

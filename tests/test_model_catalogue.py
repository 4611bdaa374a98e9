"""Which models a server offers: their names, who may have them, and what is known of them before one is loaded."""

import pytest

from gpt import GPTConfig, WeightsError, save_model
from gpt.files import hub
from gpt.model_catalogue import Catalogue, ModelInfo, bytes_of
from gpt.model_reference import STORYTELLER, STORYTELLER_FOLDER, UNTRAINED, Reference
from tests.conftest import SMALL


@pytest.fixture
def nothing_downloaded(monkeypatch):
    monkeypatch.setattr(hub, "downloaded", lambda _: None)


def infos(catalogue: Catalogue) -> dict[str, ModelInfo]:
    return {info.name: info for info in catalogue.models()}


# Names


def test_openais_models_have_one_name_by_which_they_are_kept():
    catalogue = Catalogue(UNTRAINED)
    assert catalogue.known("openai-community/gpt2:int8") == catalogue.known("gpt2-124M:int8")


@pytest.mark.parametrize("reference", ["gpt-5", ":int8", "#3", "storyteller:int4", "nothing:int8"])
def test_an_unknown_name_is_refused_with_the_known_ones(reference):
    with pytest.raises(ValueError, match=r"There is no model called .*gpt2-1558M"):
        Catalogue(UNTRAINED).known(reference)


def test_the_default_is_the_bundled_model_and_a_reference_of_nothing_is_the_default():
    assert Catalogue().known("") == Reference(STORYTELLER)
    assert Catalogue(f"{UNTRAINED}:int8#7").known("") == Reference(UNTRAINED, "int8", 7)


def test_settings_that_a_model_cannot_have_are_dropped(small_folder):
    catalogue = Catalogue(str(small_folder))
    assert catalogue.known(f"{UNTRAINED}:relu:6heads#7") == Reference(UNTRAINED, seed=7)
    assert catalogue.known(f"{small_folder}:relu:6heads#7") == Reference(str(small_folder), "float32", 123, "relu", 6)


# Who may have what


def test_strangers_cannot_open_files_of_the_server(small_folder):
    with pytest.raises(ValueError, match="There is no model called"):
        Catalogue(UNTRAINED, local_files=False).known(str(small_folder))
    for catalogue in (Catalogue(UNTRAINED, local_files=True), Catalogue(str(small_folder), local_files=False)):
        assert catalogue.known(str(small_folder)).name == str(small_folder)
        assert catalogue.path_of(str(small_folder)) == small_folder


@pytest.mark.parametrize(("allowed", "names"), [((), 0), (("gpt2-355M",), 1), (None, 4)])
@pytest.mark.usefixtures("nothing_downloaded")
def test_a_host_says_what_may_be_downloaded_and_the_rest_is_not_mentioned(allowed, names):
    catalogue = Catalogue(hub_models=allowed)
    assert len([info for info in catalogue.models() if info.name in hub.REPOSITORIES]) == names
    if allowed is not None:
        with pytest.raises(ValueError, match="There is no model called 'gpt2-774M'") as refused:
            catalogue.known("gpt2-774M")
        assert str(refused.value).count("gpt2-355M") == names


def test_a_name_that_no_host_could_mean_is_refused_when_the_server_starts():
    with pytest.raises(ValueError, match="'gpt2' is no repository: write owner/name"):
        Catalogue(UNTRAINED, hub_models=("gpt2",))


@pytest.mark.parametrize("local_files", [True, False])
def test_a_model_that_was_made_here_can_be_chosen_by_everybody(small_folder, local_files):
    catalogue = Catalogue(UNTRAINED, local_files, hub_models=())
    catalogue.add("mine@5", small_folder, "a saved step")
    assert catalogue.known("mine@5:int8") == Reference("mine@5", "int8")
    assert catalogue.path_of("mine@5") == small_folder
    assert not catalogue.is_on_the_hub("mine@5")
    assert infos(catalogue)["mine@5"].description == "a saved step"
    assert infos(catalogue)["mine@5"].parameters == infos(Catalogue(str(small_folder)))[str(small_folder)].parameters


def test_a_model_whose_files_are_gone_is_listed_no_more(tmp_path, small_model):
    catalogue = Catalogue(UNTRAINED)
    save_model(small_model, tmp_path / "made")
    catalogue.add("mine@5", tmp_path / "made", "a saved step")
    assert "mine@5" in infos(catalogue)
    (tmp_path / "made").rename(tmp_path / "elsewhere")
    assert "mine@5" not in infos(catalogue)


def test_a_default_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(WeightsError, match=r"nothing\.safetensors"):
        Catalogue(str(tmp_path / "nothing.safetensors")).models()


# What is known of them


def test_every_model_is_listed_with_the_published_parameter_counts(small_folder):
    found = infos(Catalogue(str(small_folder)))
    # Published: OpenAI's released sizes with tied head and query-key-value bias; the chapter's untied 124M.
    assert found["gpt2-124M"].parameters == 124_439_808
    assert found["gpt2-355M"].parameters == 354_823_168
    assert found["gpt2-774M"].parameters == 774_030_080
    assert found["gpt2-1558M"].parameters == 1_557_611_200
    assert found[UNTRAINED].parameters == 163_009_536
    assert found[str(small_folder)].available
    assert not found[UNTRAINED].trained


@pytest.mark.parametrize("precision", ["", ":int8"])
def test_the_file_a_server_was_started_with_comes_first(small_folder, precision):
    first = Catalogue(f"{small_folder}{precision}").models()[0]
    assert (first.name, first.description) == (str(small_folder), "the file this server was started with")
    assert (first.trained, first.available) == (True, True)


def test_without_a_file_the_bundled_model_comes_first():
    assert Catalogue(UNTRAINED).models()[0].name == STORYTELLER
    assert Catalogue(UNTRAINED).path_of(STORYTELLER) == STORYTELLER_FOLDER


def test_a_model_of_the_hub_says_whether_it_has_to_be_downloaded(small_folder, monkeypatch):
    monkeypatch.setattr(hub, "downloaded", lambda name: small_folder if name == "gpt2-355M" else None)
    found = infos(Catalogue(UNTRAINED))
    assert (found["gpt2-355M"].available, found["gpt2-355M"].description) == (True, "OpenAI's released weights")
    assert not found["gpt2-774M"].available
    assert found["gpt2-774M"].description == "OpenAI's released weights, downloaded when chosen"


def test_the_settings_of_the_default_model_are_known_without_its_weights(small_folder):
    chapters = GPTConfig.preset("gpt2-124M")
    assert Catalogue(UNTRAINED).default_config() == chapters
    released = Catalogue("gpt2-124M").default_config()
    assert (released.qkv_bias, released.tied_head, released.emb_dim) == (True, True, chapters.emb_dim)
    assert Catalogue(str(small_folder)).default_config() == SMALL
    altered = Catalogue(f"{small_folder}:relu:6heads").default_config()
    assert (altered.activation, altered.n_heads) == ("relu", 6)


@pytest.mark.usefixtures("nothing_downloaded")
def test_the_settings_of_a_repository_are_known_once_it_is_here():
    with pytest.raises(ValueError, match="someone/model is not on this machine yet: load it first"):
        Catalogue("someone/model").default_config()


@pytest.mark.parametrize(("precision", "each"), [("float32", 8), ("bfloat16", 5), ("int8", 5)])
def test_bytes_are_those_of_the_weights_and_of_what_is_packed_of_them(small_folder, small_model, precision, each):
    catalogue = Catalogue(str(small_folder))
    parameters = sum(parameter.numel() for parameter in small_model.parameters())
    assert bytes_of(parameters, precision) == each * parameters
    assert catalogue.bytes_needed(Reference(str(small_folder), precision)) == each * parameters


@pytest.mark.usefixtures("nothing_downloaded")
def test_nobody_knows_the_bytes_of_a_repository_before_the_hub_was_asked():
    assert Catalogue(UNTRAINED).bytes_needed(Reference("someone/model")) == 0

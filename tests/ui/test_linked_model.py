"""A link names its model: what is here comes by itself, anything else is a sentence, and where it can be, a button."""

import pytest

from gpt.library import Library
from gpt.model_reference import STORYTELLER, UNTRAINED, in_an_address
from gpt.ui.linked_model import linked_model
from tests.own_vocabulary import with_characters
from tests.ui.visitor import Visitor


def opened(library: Library, **query: str) -> Visitor:
    visitor = Visitor(library, length="2", **query)
    visitor.load()
    return visitor


@pytest.fixture
def files_open(monkeypatch):
    """A list that gets the path of everything that is asked for, and a machine on which nothing downloads."""
    looked_at: list[str] = []
    for name in ("exists", "is_file", "is_dir", "stat", "resolve"):

        def noted(path, *_: object, name: str = name, **__: object) -> bool:
            looked_at.append(f"{name} {path}")
            return False

        monkeypatch.setattr(f"pathlib.Path.{name}", noted)
    return looked_at


@pytest.mark.parametrize("named", ["storyteller", "storyteller:int8"])
def test_the_model_in_the_box_comes_by_itself_and_line_picker_and_run_agree(uneven_library, named):
    visitor = opened(uneven_library, model=named)
    assert visitor.run.model_name == named
    assert f'data-model="{named}"' in visitor.value("loaded")
    assert visitor.value("model-name") == STORYTELLER
    assert visitor.value("model-precision") == ("int8" if "int8" in named else "float32")
    assert visitor.value("wanted-model") == ""


def test_an_untrained_one_comes_with_its_weight_seed_unless_memory_has_no_room(uneven_library, monkeypatch):
    named = f"{UNTRAINED}:bfloat16#7"
    assert linked_model(uneven_library, named).comes == named
    monkeypatch.setattr(uneven_library._memory, "_limit", lambda: 1e6)
    refused = linked_model(uneven_library, named)
    assert (refused.comes, refused.wanted) == ("", "")
    assert "choose a smaller one" in refused.said


@pytest.mark.parametrize("named", ["gpt2-1558M:int8", "someone/model"])
def test_what_would_be_downloaded_is_a_button_and_the_page_keeps_its_own(uneven_library, monkeypatch, named):
    monkeypatch.setattr("gpt.files.hub.downloaded", lambda _: None)
    visitor = opened(uneven_library, model=named)
    assert visitor.run.model_name == uneven_library.default
    said = visitor.value("wanted-model")
    assert "A link downloads nothing by itself." in said and "<button" in said
    assert visitor.value("model-name") == uneven_library.default
    assert named in visitor.values.values()  # what the button loads


def test_a_server_that_downloads_nothing_says_so_without_a_button(uneven_library, monkeypatch):
    monkeypatch.setattr("gpt.files.hub.downloaded", lambda _: None)
    said = opened(Library(uneven_library.default, hub_models=()), model="gpt2-355M").value("wanted-model")
    assert "cannot be had here" in said and "<button" not in said


def test_a_file_is_named_by_its_name_and_found_again_while_it_is_open(tmp_path, uneven_library):
    library = Library(uneven_library.default, local_files=True)
    path = str(with_characters(tmp_path))
    named = in_an_address(f"{path}:int8")
    assert named == f"file:{tmp_path.name}:int8"
    assert linked_model(library, named).said.startswith(f"The link wants {tmp_path.name}, a file of the computer")
    library.get(f"{path}:int8")
    assert linked_model(library, named).comes == f"{path}:int8"
    other = linked_model(library, named.replace("int8", "bfloat16"))
    assert (other.comes, other.wanted) == ("", f"{path}:bfloat16")


@pytest.mark.parametrize("path", ["/etc/passwd", "~/model", r"\\elsewhere\share\model.safetensors", "../x/y"])
@pytest.mark.parametrize("local_files", [True, False])
def test_a_link_with_a_path_touches_nothing(files_open, path, local_files):
    library = Library(STORYTELLER, local_files=local_files)
    files_open.clear()
    linked = linked_model(library, path)
    assert files_open == []
    assert linked.comes == ""
    assert linked.wanted == (path if local_files else "")


@pytest.mark.parametrize("named", ["nonsense", "#", ":::", "x" * 5_000, f"{UNTRAINED}#999999999999999999"])
def test_what_is_no_model_is_said_in_short_and_nothing_is_loaded(uneven_library, named):
    linked = linked_model(uneven_library, named)
    assert linked.said
    assert len(linked.said) < 500
    assert (linked.comes, linked.wanted) == ("", "")


def test_the_button_loads_what_the_link_wants(tmp_path, uneven_library):
    path = str(with_characters(tmp_path))
    visitor = opened(Library(uneven_library.default, local_files=True), model=path)
    assert f"Open {path}" in visitor.value("wanted-model")
    visitor.fire("wanted-model", "select", 0)
    assert visitor.value("model-name") == path
    assert f'data-model="file:{tmp_path.name}"' in visitor.value("loaded")

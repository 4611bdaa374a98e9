"""The picker's events, in whatever order they come to the server."""

from types import SimpleNamespace

from gpt.library import Library
from gpt.model_reference import UNTRAINED
from gpt.ui.model_picker import choices
from tests.own_vocabulary import with_characters
from tests.ui.visitor import Visitor

CHOICE = ("float32", 123, 0, "")  # precision, seed, heads, activation


def event(visitor: Visitor, elem_id: str, name: str, output: str):
    """The function that an event of a component runs, the one that changes `output`."""
    target, changed = visitor.component(elem_id)._id, visitor.component(output)
    (found,) = [fn.fn for fn in visitor.blocks.fns.values() if (target, name) in fn.targets and changed in fn.outputs]
    return found


def test_a_choice_that_comes_after_the_click_on_load_does_not_stop_it(tmp_path, uneven_library):
    folder = str(with_characters(tmp_path))
    visitor = Visitor(Library(uneven_library.default, local_files=True))
    change = event(visitor, "load-model", "click", "loaded")
    described = event(visitor, "model-name", "change", "model-about")
    request = SimpleNamespace(session_hash="one")
    loading = change(request, "", folder, *CHOICE)
    next(loading)
    assert list(described(request, folder))
    *_, last = loading
    assert last[visitor.component("loaded")].count("a table of 60 characters") == 1
    assert folder in last.values()  # the visitor's model


def test_what_cannot_be_had_is_said_where_the_choice_is_described(uneven_library):
    visitor = Visitor(Library(uneven_library.default, hub_models=()))
    described = event(visitor, "model-name", "change", "model-about")
    (said,) = described(SimpleNamespace(session_hash="one"), "someone/model")
    assert "There is no model called &#x27;someone/model&#x27;" in said[visitor.component("model-about")]
    assert UNTRAINED in said[visitor.component("model-about")]


def test_a_name_stands_before_those_that_contain_it(uneven_library, tmp_path):
    folder = with_characters(tmp_path)
    library = Library(uneven_library.default)
    for name in ("mine@240", "mine", "another"):
        library.add(name, folder, "made here")
    names = [value for _, value in choices(library)]
    for name in names:
        assert next(other for other in names if name in other) == name
    assert names.index("mine") < names.index("another")

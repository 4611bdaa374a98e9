"""What a link asks of the first run of a page: a branch of it, a stop of the tour with it, and no token by itself."""

import pytest

from gpt import runs
from gpt.model_reference import in_an_address
from gpt.ui.tour.tour_stop import PROMPT
from tests.ui.visitor import Visitor


def opened(library, **query: str) -> Visitor:
    visitor = Visitor(library, **{"length": "6"} | query)
    visitor.load()
    return visitor


def test_a_link_grows_its_branch_and_every_tab_shows_it(uneven_library):
    visitor = opened(uneven_library, tab="probabilities", branch="7.262,9.11")
    run = visitor.run
    assert (run.parted_at, run.ids[8], run.parent.parted_at, run.ids[6]) == (8, 11, 6, 262)
    assert run.parent.parent.parent is None and len(run.ids) == 10
    assert visitor.value("told-branch") == "7.262,9.11"
    visitor.open_tab("Probabilities")
    assert visitor.value("branch-strip").count("data-index") == 10
    visitor.open_tab("Generate")
    assert visitor.value("run-strip").count("data-index") == 10


def test_a_branch_on_the_page_is_told_to_the_address_and_taken_back(uneven_library):
    visitor = opened(uneven_library, tab="probabilities")
    assert visitor.value("told-branch") == ""
    visitor.fire("probabilities-strip", "select", 6)
    visitor.fire("candidates", "select", 262)
    visitor.fire("take")
    assert visitor.value("told-branch") == "7.262"
    visitor.fire("back")
    assert visitor.value("told-branch") == ""
    visitor.fire("take")
    visitor.fire("generate")
    assert visitor.run.parent is None and visitor.value("told-branch") == ""


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("nonsense", "The link&#x27;s branch is nonsense"),
        ("1.262", "Token 0 cannot branch"),
        ("7.99999", "99999 is not a token of this model"),
        ("40.5", "Token 39 cannot branch"),
    ],
)
def test_a_branch_that_cannot_be_is_one_sentence_and_the_run_stays(uneven_library, asked, said):
    visitor = opened(uneven_library, branch=asked)
    assert said in visitor.value("run-status")
    assert visitor.run.parent is None and len(visitor.run.ids) == 10
    assert visitor.value("told-branch") == ""


def test_a_link_of_a_branch_that_stayed_opens_it_by_its_own_model_and_says_whose_it_is(uneven_library):
    visitor = opened(uneven_library, branch="7.262")
    branch = visitor.run
    visitor.put(model_precision="int8")
    visitor.fire("load-model")
    named = in_an_address(branch.model_name)
    assert visitor.run is branch and f'data-model="{named}"' in visitor.value("whose-said")
    loaded = f"{branch.model_name}:int8"
    fresh = opened(uneven_library, model=loaded, branch="7.262", run_model=named)
    assert (fresh.run.ids, fresh.run.model_name, fresh.run.parted_at) == (branch.ids, branch.model_name, 6)
    assert fresh.value("whose-said") == visitor.value("whose-said")
    fresh.fire("whose-again")
    assert fresh.run.model_name == loaded and fresh.value("whose-said") == ""


def test_a_branch_by_a_model_that_is_not_here_is_not_grown_by_another(uneven_library):
    visitor = opened(uneven_library, branch="7.262", run_model="file:elsewhere.safetensors")
    assert visitor.run.parent is None and visitor.value("told-branch") == ""
    assert "The figures of the link are not these. The link wants elsewhere" in visitor.value("whose-said")
    assert "data-model" not in visitor.value("whose-said")
    visitor.fire("generate")
    assert visitor.value("whose-said") == ""


def test_the_strip_of_the_original_stays_the_one_that_is_looked_at(uneven_library):
    visitor = opened(uneven_library, tab="probabilities", branch="7.262", token="7", strip="original")
    visitor.open_tab("Probabilities")
    assert "selected" in visitor.value("probabilities-strip")
    assert "selected" not in visitor.value("branch-strip")
    visitor = opened(uneven_library, tab="probabilities", branch="7.262", token="7")
    visitor.open_tab("Probabilities")
    assert "selected" in visitor.value("branch-strip")


def test_a_link_of_the_tour_writes_its_text_once(uneven_library, monkeypatch):
    written = []
    steps_after = runs.steps_after
    monkeypatch.setattr(runs, "steps_after", lambda *given: written.append(given) or steps_after(*given))
    visitor = opened(uneven_library, lesson="4.2", step="3")
    assert len(written) == 1
    assert visitor.run.prompt == PROMPT
    assert "data-stop" in visitor.value("tour") and "2 of" not in visitor.value("tour")


@pytest.mark.parametrize("tab", ["Probabilities", "LayerNorm", "Inside", "Map"])
def test_a_tab_that_is_opened_chooses_no_token(uneven_library, tab):
    visitor = opened(uneven_library)
    visitor.open_tab(tab)
    assert visitor.value("selected-token") in ("", None)
    assert opened(uneven_library, tab=tab.lower(), token="99").value("selected-token") != "5"


def test_a_turn_of_the_text_loop_comes_back_from_its_link(uneven_library):
    visitor = opened(uneven_library, tab="building-blocks", view="loop")
    visitor.fire("next-turn")
    visitor.fire("next-turn")
    shown = visitor.value("turn")
    assert opened(uneven_library, tab="building-blocks", view="loop", turn="3").value("turn") == shown
    visitor.open_tab("Text loop")
    assert visitor.value("turn") == shown
    visitor.fire("start-over")
    assert visitor.value("turn") != shown
    first = visitor.value("turn")
    for nonsense in ("0", "101", "x", ""):
        assert opened(uneven_library, tab="building-blocks", view="loop", turn=nonsense).value("turn") == first


def test_the_followed_cell_of_the_map_comes_back_from_its_link(uneven_library):
    shown = opened(uneven_library, tab="map", cell="4.2", token="5").value("map-follow")
    assert 'data-first="1"' in shown and 'data-pinned="3.1"' in shown
    for nonsense in ("4", "4.99", "x.y", "0.1"):
        assert 'data-pinned=""' in opened(uneven_library, tab="map", cell=nonsense).value("map-follow")

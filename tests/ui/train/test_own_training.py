"""A training is started, watched, paused and gone on with from the page; what cannot be is told before it begins."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest
import torch

from gpt.engine.fair_share import ASKING, Client
from gpt.library import Library
from gpt.training.suited_sizes import SMALLEST
from gpt.training.training_history import recorded_history
from gpt.ui.common.number_format import percent
from gpt.ui.host.host_options import LAPTOP
from gpt.ui.page import build_page
from gpt.ui.train import tab
from gpt.ui.train.tab import OWN, RECORDED
from tests.ui.code_behind.pasted import text_of
from tests.ui.test_figures import numbers
from tests.ui.visitor import Visitor, _changed

TEXT = "A fox ran over the hill and looked for the red ball. " * 60


@pytest.fixture(scope="module")
def library(uneven_library: Library) -> Library:
    """Of this server alone: it keeps the names of the models that are trained here."""
    return Library(uneven_library.default)


@pytest.fixture(scope="module")
def trained(library: Library) -> Iterator[Visitor]:
    """A visitor who has trained a tiny model on a pasted text."""
    visitor = Visitor(library, tab="train")
    steps = map(str, range(SMALLEST["steps"] + 1))
    visitor.component("train-step").choices = [(step, step) for step in steps]  # as updates change them
    visitor.open_tab("Train")
    visitor.put(train_text=TEXT, train_path="", train_emb_dim=32, train_n_layers=1, train_n_heads=2)
    visitor.put(train_context_length=16, train_batch_size=4, train_steps=6)
    visitor.fire("train-start")
    await_words(visitor, "Finished")
    yield visitor


def await_words(visitor: Visitor, words: str) -> None:
    """Watch until the page says this of the training."""
    end = time.monotonic() + 300
    while words not in "".join(visitor.shown("train-stands")):
        assert time.monotonic() < end, visitor.value("train-stands")
        time.sleep(0.5)
        tick(visitor)


def tick(visitor: Visitor) -> None:
    """One tick of the clock that follows the training."""
    fn = next(
        fn
        for fn in visitor.blocks.fns.values()
        for _, event in fn.targets
        if event == "tick" and any(block.elem_id == "train-stands" for block in fn.outputs)
    )
    visitor.news = []
    visitor._run(fn, None)


def test_a_training_is_started_and_its_curves_come_to_the_page(trained):
    assert trained.value("train-source") == OWN
    assert "step 6 of 6" in trained.value("train-stands")
    assert "learns pasted.txt" in trained.value("train-said")
    assert trained.value("train-step") == "6"
    trained.put(train_step="0")
    trained.fire("train-step", "input")
    assert "After 0 steps" in trained.shown("train-prompt")[-1]


def test_the_code_behind_it_trains_the_same_again_and_computes_what_is_drawn(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text(TEXT.strip())
    trained.put(train_source=OWN, train_step="6", train_head=1, train_measure="Induction")
    trained.fire("train-source", "input")
    loss, deviation, picture = (
        json.loads(trained.shown(each)[-1].plot) for each in ("train-loss", "train-deviation", "train-map")
    )
    field, candidates = trained.shown("train-field")[-1], trained.shown("train-candidates")[-1]
    curves, look = (pasted(trained, each, "mine.txt") for each in ("train-code", "train-step-code"))
    learned, kept_back = loss["data"]
    assert curves["read"] == learned["x"] == [1, 2, 3, 4, 5, 6]
    assert curves["losses"] == pytest.approx(learned["y"], rel=1e-4)
    assert [at for at, _ in curves["held_out"]] == kept_back["x"]
    assert [value for _, value in curves["held_out"]] == pytest.approx(kept_back["y"], rel=1e-4)
    assert look["deviation"].tolist() == pytest.approx(deviation["data"][-1]["y"], abs=1e-3)
    square = torch.tensor(numbers(picture["data"][0]["z"])).reshape(look["attention"].shape).nan_to_num()
    torch.testing.assert_close(look["attention"].double(), square.double(), atol=2e-3, rtol=0)
    assert len(look["candidates"]) == candidates.count("<code>")
    assert f"block 0, head 1: induction {percent(round(float(look['scores'][0, 1]), 4))}" in field


def pasted(visitor: Visitor, elem_id: str, path: str) -> dict[str, Any]:
    """All names that the code in a fold defines, once the visitor has written there where the text lies."""
    names: dict[str, Any] = {}
    lines = text_of(visitor, elem_id)
    assert "PATH OF THE PASTED TEXT" in lines
    exec(lines.replace("PATH OF THE PASTED TEXT", path), names)
    return names


def test_the_recorded_one_is_still_there(trained):
    trained.put(train_source=RECORDED, train_step=str(recorded_history().steps_done))
    trained.fire("train-source", "input")
    assert "stories.txt" in trained.shown("train-said")[-1]
    trained.put(train_source=OWN)


def test_before_the_start_it_is_said_what_it_takes(trained):
    trained.put(train_text="", train_preset="Seconds")
    trained.fire("train-own", "expand")
    assert "703 tokens to learn" not in trained.shown("train-forecast")[-1]
    trained.fire("train-preset", "input")
    told, recorded = trained.shown("train-forecast")[-1], recorded_history().about
    assert f"{recorded['tokens']:,} tokens to learn, {recorded['distinct_tokens']:,} different ones" in told
    assert f"{recorded['parameters']:,} parameters" in told
    assert f"In {SMALLEST['steps']:,} steps of 1,024 tokens" in told
    assert "<b>Measured</b>: the recorded training of this size came to" in told
    trained.put(train_n_heads=7)
    trained.fire("train-n-heads", "blur")
    assert trained.shown("train-forecast")[-1] == ""  # the one of other settings does not stay beside the refusal
    trained.put(train_n_heads=4)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"train_text": "Too short."}, "The text has 3 tokens"),
        ({"train_text": "A text", "train_path": "/a/path"}, "There are a pasted text and a path"),
        ({"train_path": "/no/such/text"}, "This server reads no files of its visitors"),
        ({"train_n_heads": 7}, "7"),
        ({"train_norm_eps": "-1e-5"}, "norm_eps is -1e-05"),
        ({"train_warmup": "1.5"}, "--warmup is 1.5: it is a share of the steps, from 0 to 1"),
        ({"train_warmup": "nan"}, "--warmup is nan"),
        ({"train_warmup": "a few"}, "Warm-up is “a few”: write a number, or leave it empty"),
        ({"train_evaluate_every": "0"}, "evaluate_every is 0: choose a number of steps, 1 or more"),
        ({"train_evaluate_every": "2.5"}, "Measure every is “2.5”: write a whole number, or leave it empty"),
        ({"train_patience": "-1"}, "patience is -1: choose a number of held-out points"),
        ({"train_held_out": "A fox."}, "The held-out text has 3 tokens: with a context of 64"),
        ({"train_seed": 2**32}, "The seed is 4294967296"),
        ({"train_emb_dim": 200_000, "train_n_heads": 1}, "GiB are free: choose a smaller model, batch or context"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence_and_starts_nothing(trained, values, said):
    plain = {
        "train_text": "",
        "train_path": "",
        "train_emb_dim": 64,
        "train_n_heads": 4,
        "train_steps": 5,
        "train_rate": 0,
        "train_seed": 5,
        "train_held_out": "",
        "train_warmup": "",
        "train_evaluate_every": "",
        "train_patience": "",
        "train_norm_eps": "",
    }
    trained.put(**plain | values)
    trained.fire("train-start")
    (note,) = trained.shown("train-own-note")
    assert said in note
    assert note.count("<p") == 1
    assert "Finished" in trained.value("train-stands")
    trained.put(**plain)


def clock_of(visitor: Visitor) -> bool:
    """Whether the last event left the page looking again and again."""
    return [_changed(value)["active"] for block, value in visitor.news if isinstance(block, gr.Timer)][-1]


def test_who_watches_sees_it_when_somebody_goes_on_with_it(trained):
    for source, looks in ((OWN, True), (RECORDED, False)):
        trained.put(train_source=source)
        tick(trained)
        assert "Finished" in trained.value("train-stands")
        assert clock_of(trained) is looks
    trained.put(train_source=OWN)


def test_who_watches_nothing_for_long_is_taken_to_have_left(trained, monkeypatch):
    monkeypatch.setattr(tab, "_MOST_QUIET", 3)
    trained.fire("train-source", "input")
    seen = []
    for _ in range(5):
        tick(trained)
        seen.append(clock_of(trained))
    assert seen[-1] is False
    trained.fire("train-source", "input")


def test_nobody_steers_the_training_of_another_visitor_of_a_public_host(library):
    page = Visitor(library, replace(LAPTOP, public=True, allow_training=True), tab="train")
    page.put(train_text=TEXT, train_emb_dim=32, train_n_layers=1, train_n_heads=2, train_context_length=16)
    page.put(train_batch_size=4, train_steps=100_000)
    page.component("train-step").choices = [(str(step), str(step)) for step in range(100_001)]

    def press(button: str, address: str) -> str:
        """What the visitor at an address is told."""
        ours = ASKING.set(Client(address))
        try:
            page.fire(button)
            return page.shown("train-own-note")[-1]
        finally:
            ASKING.reset(ours)

    assert press("train-start", "192.0.2.1") == ""
    await_words(page, "Training: step")
    assert "A training runs on this server already" in press("train-start", "192.0.2.2")
    for button in ("train-pause", "train-one-step", "train-go-on", "train-again"):
        assert "Another visitor has started this training" in press(button, "192.0.2.2")
    tick(page)
    assert "Training: step" in page.value("train-stands")
    assert press("train-pause", "192.0.2.1") == ""
    await_words(page, "Paused after step")
    for button in ("train-one-step", "train-go-on", "train-again"):
        assert "Another visitor has started this training" in press(button, "192.0.2.2")
    tick(page)
    assert "Paused after step" in page.value("train-stands")


def test_a_public_host_shows_the_recorded_one_alone(uneven_library):
    blocks = build_page(uneven_library, replace(LAPTOP, public=True, allow_training=False))
    ids = {block.elem_id: block for block in blocks.blocks.values() if block.elem_id}
    assert "train-start" not in ids
    assert isinstance(ids["train-source"], gr.Radio)
    assert not ids["train-source"].visible


def test_a_saved_step_becomes_a_model_of_the_picker(trained, library):
    trained.put(train_source=OWN, train_step="0")
    trained.fire("train-open")
    assert "pasted@0 is your model now" in trained.shown("train-opened")[-1]
    assert "<b>pasted@0</b>" in trained.shown("loaded")[-1]
    assert trained.value("model-name") == "pasted@0"
    assert [info.name for info in library.models()].count("pasted@0") == 1
    first = library.get("pasted@0")
    assert first.trained
    assert first.model.config.emb_dim == 32
    trained.put(train_step="6")
    trained.fire("train-open")
    last = library.get("pasted@6:int8")
    assert (last.precision, last.name) == ("int8", "pasted@6")
    trained.put(model_name="pasted@0")
    trained.fire("load-model")
    assert "<b>pasted@0</b>" in trained.shown("loaded")[-1]


def test_the_best_model_stands_beside_the_steps(trained, library):
    trained.put(train_source=OWN)
    tick(trained)
    offered = [value for block, value in trained.news if block.elem_id == "train-open-best"]
    assert offered[-1]["interactive"] is True
    trained.fire("train-open-best")
    assert "pasted@best is your model now" in trained.shown("train-opened")[-1]
    trained.put(train_step="6")
    trained.fire("train-open")  # of so short a training the last step is the best
    best, last = (library.get(name).model.state_dict() for name in ("pasted@best:float32", "pasted@6:float32"))
    assert all(torch.equal(best[name], last[name]) for name in best)


def test_the_recording_has_no_weights_to_open(trained):
    trained.put(train_source=RECORDED)
    trained.fire("train-source", "change")
    assert "The recording holds no weights" in trained.shown("train-opened")[-1]
    assert trained.component("train-open").interactive is False
    trained.put(train_source=OWN)
    trained.fire("train-source", "change")
    assert trained.shown("train-opened")[-1] == ""


def test_before_a_training_has_begun_no_other_one_is_shown_in_its_place(uneven_library):
    newcomer = Visitor(Library(uneven_library.default), tab="train")
    newcomer.open_tab("Train")
    assert newcomer.shown("train-loss")[-1] is not None
    newcomer.put(train_source=OWN)
    newcomer.fire("train-source", "input")
    for elem_id in ("train-loss", "train-course", "train-deviation", "train-map"):
        assert newcomer.shown(elem_id)[-1] is None, elem_id
    for elem_id in ("train-said", "train-meanings", "train-sample", "train-candidates"):
        assert newcomer.shown(elem_id)[-1] == "", elem_id
    assert "Nothing has been trained here yet" in newcomer.shown("train-note")[-1]

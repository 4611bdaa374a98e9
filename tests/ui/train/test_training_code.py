"""The code that makes a training again: in a folder of its own for each text and settings, and measured alike."""

import re
from pathlib import Path

import pytest

from gpt.training import model_card, training_run
from gpt.training.command_line import main
from gpt.training.stories import PATH as STORIES
from gpt.training.training_history import history_in
from gpt.training.training_request import Asked
from gpt.ui.train.training_code import curves_code, step_code

TEXT, OTHER = "A fox ran over the hill. " * 60, "Nobody looked for the red ball. " * 9
SIZES = "--emb-dim 32 --layers 1 --heads 2 --context 16 --batch-size 4 --steps 4 --keep-steps 2"
OPTIONS = SIZES.split()


@pytest.fixture(autouse=True)
def short_samples(monkeypatch):
    monkeypatch.setattr(model_card, "SAMPLE_TOKENS", 4)
    monkeypatch.setattr(training_run, "SAMPLE_TOKENS", 4)


@pytest.fixture
def history(tmp_path):
    asked = Asked(TEXT, OPTIONS, OTHER)
    main([*asked.arguments(tmp_path), "--out", str(tmp_path / "out")])
    return history_in(tmp_path / "out")


def folder(asked: Asked, history) -> str:
    (found,) = set(re.findall(r'"(trained/[^"/]+)', str(step_code(asked, history, 4, (0, 0), "induction"))))
    assert f'"{found}"' in str(curves_code(asked, history, "step"))
    return found


def test_other_settings_or_texts_train_in_another_folder_and_the_same_in_the_same(history):
    asked = Asked(TEXT, OPTIONS)
    others = [
        Asked(TEXT, [*OPTIONS, "--seed", "5"]),
        Asked(TEXT, OPTIONS, OTHER),
        Asked(OTHER, OPTIONS),
        Asked(STORIES, OPTIONS),
        Asked(Path("/a folder/my text.txt"), OPTIONS),
    ]
    assert folder(asked, history) == folder(Asked(TEXT, list(OPTIONS)), history)
    assert len({folder(each, history) for each in (asked, *others)}) == 6
    assert re.fullmatch(r"trained/pasted-[0-9a-f]{8}", folder(asked, history))
    assert folder(others[3], history).startswith("trained/stories-")
    assert folder(others[4], history).startswith("trained/my-text-")


def test_a_text_to_measure_by_is_asked_for_and_measured_by(history, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text(TEXT)
    (tmp_path / "other.txt").write_text(OTHER)
    lines = str(curves_code(Asked(TEXT, OPTIONS, OTHER), history, "step"))
    paths = {"PATH OF THE PASTED TEXT TO MEASURE BY": "other.txt", "PATH OF THE PASTED TEXT": "mine.txt"}
    for said, path in paths.items():
        assert f'"{said}"' in lines.replace("'", '"')
        lines = lines.replace(said, path)
    names = {}
    exec(lines, names)
    assert names["held_out"] == [(point["step"], point["heldout_loss"]) for point in history.points]


def test_a_step_at_which_it_was_left_is_reached_again(tmp_path, monkeypatch):
    asked = Asked(TEXT, OPTIONS)
    main([*asked.arguments(tmp_path), "--out", str(tmp_path / "out"), "--at-most", "3"])
    left = history_in(tmp_path / "out")
    assert (left.kept_steps, left.passing_step) == ((0, 3), 3)
    monkeypatch.chdir(tmp_path)
    lines = str(step_code(asked, left, 3, (0, 0), "induction")).replace("PATH OF THE PASTED TEXT", "pasted.txt")
    for _ in range(2):
        names = {}
        exec(lines, names)
        assert names["history"].steps_done == 3
    assert left.look(3).deviation == pytest.approx(names["deviation"].tolist(), abs=1e-3)
    main([*asked.arguments(tmp_path), "--out", str(tmp_path / "out")])
    ended = history_in(tmp_path / "out")
    assert (ended.kept_steps, ended.passing_step) == ((0, 4), None)

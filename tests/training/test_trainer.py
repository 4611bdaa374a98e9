"""A training in a process of its own: watched through its log, paused, gone on with, killed without harm."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from gpt.training.trainer import ENDED, FINISHED, NOTHING, PAUSED, RUNNING, Trainer, close_all
from gpt.training.training_request import Asked

TEXT = "A fox ran over the hill and looked for the red ball. " * 60
OPTIONS = "--emb-dim 32 --layers 1 --heads 2 --context 16 --batch-size 4 --keep-steps 4 --seed 5"
SHORT = [*OPTIONS.split(), "--steps", "6", "--evaluate-every", "3"]
LONG = [*OPTIONS.split(), "--steps", "100000", "--evaluate-every", "50000"]


@pytest.fixture
def trainer() -> Iterator[Trainer]:
    made = Trainer()
    yield made
    made.close()


def wait(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not ready():
        assert time.monotonic() < end, "this never came"
        time.sleep(0.1)


def steps(trainer: Trainer) -> int:
    history = trainer.history()
    return 0 if history is None else history.steps_done


def test_a_pasted_text_is_learned_to_the_end(trainer):
    assert trainer.state().kind == NOTHING
    assert trainer.history() is None
    trainer.start(Asked(TEXT, SHORT))
    assert trainer.name == "pasted"
    with pytest.raises(ValueError, match="A training runs on this server already"):
        trainer.start(Asked(TEXT, SHORT))
    wait(lambda: trainer.state().kind != RUNNING)
    assert trainer.state().kind == FINISHED, trainer.state()
    history = trainer.history()
    assert (history.steps_done, history.kept_steps[0], history.kept_steps[-1]) == (6, 0, 6)
    assert history.about["text"] == "pasted.txt"
    with pytest.raises(ValueError, match="There is no training to go on with"):
        trainer.go_on()
    folder = trainer.output
    trainer.close()
    assert not folder.exists()


def test_it_is_paused_goes_on_and_a_kill_costs_one_sentence(trainer):
    trainer.start(Asked(TEXT, LONG))
    wait(lambda: steps(trainer) > 2)
    trainer.pause()
    wait(lambda: trainer.state().kind != RUNNING)
    assert trainer.state().kind == PAUSED
    paused_at = steps(trainer)
    trainer.go_on()
    wait(lambda: steps(trainer) > paused_at)
    os.kill(trainer._process.pid, signal.SIGKILL)
    wait(lambda: trainer.state().kind != RUNNING)
    assert trainer.state().kind == ENDED
    assert trainer.state().said.startswith("The training process was ended from outside (SIGKILL)")
    assert trainer.state().can_go_on
    assert steps(trainer) > paused_at


def test_it_takes_one_step_and_starts_again_from_the_same_weights(trainer):
    with pytest.raises(ValueError, match="There is no training to start again"):
        trainer.start_again()
    trainer.start(Asked(TEXT, [*OPTIONS.split(), "--steps", "900", "--evaluate-every", "900"]))
    wait(lambda: steps(trainer) > 2)
    trainer.pause()
    wait(lambda: trainer.state().kind != RUNNING)
    losses, paused_at = first_losses(trainer), steps(trainer)
    trainer.go_on(most_steps=1)
    wait(lambda: trainer.state().kind != RUNNING)
    assert trainer.state().kind == PAUSED
    assert steps(trainer) == paused_at + 1
    trainer.start_again()
    wait(lambda: steps(trainer) > 2)
    assert first_losses(trainer) == losses


def test_one_that_is_stopped_is_finished_with_its_best_model(trainer):
    with pytest.raises(ValueError, match="There is no training to stop"):
        trainer.stop()
    trainer.start(Asked(TEXT, LONG))
    wait(lambda: steps(trainer) > 2)
    with pytest.raises(ValueError, match="The best model is written when the training has finished"):
        trainer.copy_of(None)
    trainer.stop()
    assert trainer.state().kind == RUNNING
    wait(lambda: trainer.state().kind != RUNNING)
    assert trainer.state().kind == FINISHED
    history = trainer.history()
    assert history.steps_planned == history.steps_done < 100_000
    with pytest.raises(ValueError, match="There is no training to go on with"):
        trainer.go_on()
    name, folder = trainer.copy_of(None)
    assert name == "pasted@best"
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "records.jsonl",
    ]
    trainer.start_again()
    wait(lambda: steps(trainer) > 2)
    assert trainer.history().steps_planned == 100_000


def test_one_that_is_paused_can_be_stopped(trainer):
    trainer.start(Asked(TEXT, LONG))
    wait(lambda: steps(trainer) > 2)
    trainer.pause()
    wait(lambda: trainer.state().kind == PAUSED)
    trainer.stop()
    wait(lambda: trainer.state().kind != RUNNING)
    assert trainer.state().kind == FINISHED


def test_one_that_was_to_take_a_step_and_was_killed_is_not_called_paused(trainer):
    trainer.start(Asked(TEXT, LONG))
    wait(lambda: steps(trainer) > 2)
    trainer.pause()
    wait(lambda: trainer.state().kind != RUNNING)
    trainer.go_on(most_steps=1)
    os.kill(trainer._process.pid, signal.SIGKILL)
    wait(lambda: trainer.state().kind != RUNNING)
    assert trainer.state().said.startswith("The training process was ended from outside (SIGKILL)")


def first_losses(trainer: Trainer) -> list[float]:
    records = trainer.history().records
    return [records[0]["heldout_loss"], records[1]["loss"], records[2]["loss"]]


def test_it_is_steered_by_who_started_it(trainer):
    trainer.check_owner("anybody")
    trainer.start(Asked(TEXT, SHORT), owner="ours")
    trainer.check_owner("ours")
    with pytest.raises(ValueError, match="Another visitor has started this training"):
        trainer.check_owner("theirs")


def test_what_cannot_be_trained_is_told_in_the_trainers_own_sentence(trainer):
    trainer.start(Asked("Too short.", SHORT))
    wait(lambda: trainer.state().kind != RUNNING)
    assert trainer.state().kind == ENDED
    assert trainer.state().said.startswith("The text has 3 tokens: with a context of 16")


def test_it_ends_after_the_seconds_it_may_have_and_with_the_one_who_started_it():
    trainer = Trainer(seconds=1.0)
    trainer.start(Asked(TEXT, LONG))
    wait(lambda: trainer.state().kind != RUNNING)
    assert trainer.state().kind == PAUSED
    trainer._seconds = None
    trainer.start(Asked(TEXT, LONG))
    wait(lambda: steps(trainer) > 0)
    trainer._process.stdin.close()
    wait(lambda: trainer.state().kind != RUNNING)
    folder = trainer.output.parent
    close_all()
    assert not folder.exists()

"""The command trains, says where the model is, and goes on after a stop."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

import pytest
import torch

from gpt.config import GPTConfig
from gpt.files.weights import load_model, save_model
from gpt.generation import next_token_table
from gpt.model import GPTModel
from gpt.training import training_progress, training_run
from gpt.training.command_line import main
from gpt.training.evaluation import heldout_loss
from gpt.training.held_out_windows import tokens_scored
from gpt.training.schedule import Schedule
from gpt.training.training_log import read_records
from gpt.training.training_state import StepResult, Training
from gpt.training.training_texts import divide

from .test_training_state import SENTENCE, ids_of


def test_it_leaves_a_model_that_opens_a_card_with_its_measured_loss_and_says_so(command, capsys):
    arguments, out = command
    main([*arguments, "--steps", "12"])
    model = load_model(out)
    assert model.config == GPTConfig(50257, 16, 32, 2, 2, drop_rate=0.0, qkv_bias=True, tied_head=True)
    card = (out / "README.md").read_text()
    _, held_out = divide(ids_of(SENTENCE * 20), 16)
    loss, scored = heldout_loss(model, held_out), tokens_scored(len(held_out), 16)
    assert f"| held-out loss | {loss:.4f} nats per token, over {scored} tokens of other text |" in card
    assert f"| tokens seen | {12 * 4 * 16}, that is" in card
    assert "| kept | step 12 of 12, the lowest of 13 held-out losses |" in card
    assert "| seed | 5 |" in card
    assert re.findall(r"^(\d+)\. \*\*", card, re.MULTILINE) == [str(n) for n in range(1, card.count(". **") + 1)]
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"Held-out loss {loss:.4f} nats per token, at step 12 of 12. The model is in {out}; open it")
    assert last.endswith(f"app.py --model {out}")


def test_the_best_weights_are_kept_not_the_last(command, monkeypatch, capsys):
    """Held-out losses as of a text too small: they fall, and then rise again."""
    arguments, out = command
    losses = dict(enumerate([9.0, 5.0, 4.0, 6.0, 7.0]))
    states = {}

    def remembered(self: Training, _: torch.Tensor) -> float:
        states[self.steps_done] = self.whole_model().bfloat16()
        return losses[self.steps_done]

    monkeypatch.setattr(Training, "heldout_loss", remembered)
    main([*arguments, "--steps", "4", "--evaluate-every", "1"])
    kept, best = load_model(out).state_dict(), states[2].state_dict()
    assert all(torch.equal(kept[name], best[name].float()) for name in best)
    assert "at step 2 of 4" in capsys.readouterr().out
    card = (out / "README.md").read_text()
    assert "| kept | step 2 of 4, the lowest of 5 held-out losses |" in card
    assert f"| tokens seen | {2 * 4 * 16}, that is" in card
    losses_seen = [record["loss"] for record in read_records(out / "records.jsonl")[1]][1:3]
    assert f"| training loss | {sum(losses_seen) / 2:.3f} nats per token, the mean of the 2 steps before |" in card


def test_the_same_command_again_goes_on_and_a_finished_one_keeps_its_card(command, monkeypatch, capsys):
    arguments, out = command
    main([*arguments, "--steps", "5", "--cooldown-steps", "0"])
    main([*arguments, "--steps", "12", "--cooldown-steps", "0", "--rate", "0.001"])
    weights, card = (out / "model.safetensors").read_bytes(), (out / "README.md").read_text()
    assert "after step 0: muon, steps 5, cooldown_steps 0, batch_size 4, peak_rate 0.006" in card
    assert "after step 5: muon, steps 12, cooldown_steps 0, batch_size 4, peak_rate 0.001" in card
    monkeypatch.setattr(Training, "step", lambda *_: pytest.fail("a finished training took another step"))
    main([*arguments, "--steps", "12", "--rate", "0.5", "--warmup", "0.5"])
    assert (out / "model.safetensors").read_bytes() == weights
    assert (out / "README.md").read_text() == card
    assert capsys.readouterr().out.endswith(f"{out} holds this training, finished after 12 steps.\n")


def test_a_kill_before_the_card_is_written_is_made_good_by_the_next_run(command, monkeypatch):
    arguments, out = command
    write = training_run.model_card
    monkeypatch.setattr(training_run, "model_card", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        main([*arguments, "--steps", "3"])
    monkeypatch.setattr(training_run, "model_card", write)
    main([*arguments, "--steps", "3"])
    assert "step 3 of 3" in (out / "README.md").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_kill_finish_the_step_and_keep_it(command, monkeypatch, capsys, number):
    arguments, out = command
    before, step = signal.getsignal(number), Training.step

    def interrupted(self: Training, schedule: Schedule) -> StepResult:
        if self.steps_done == 2:
            signal.raise_signal(number)
        return step(self, schedule)

    monkeypatch.setattr(Training, "step", interrupted)
    main([*arguments, "--steps", "12"])
    assert "Stopped after step 3: run the same command again" in capsys.readouterr().out
    assert not (out / "model.safetensors").exists()
    assert torch.load(out / ".checkpoints" / "last.pt", weights_only=True)["steps_done"] == 3
    assert signal.getsignal(number) == before


def test_a_training_that_leaves_the_numbers_ends_with_one_sentence_and_no_model(command, capsys):
    arguments, out = command
    with pytest.raises(SystemExit, match=r"^The loss after step \d+ is (nan|inf): .* a lower rate than 1e\+12\.$"):
        main([*arguments, "--steps", "40", "--optimizer", "adamw", "--rate", "1e12"])
    assert capsys.readouterr().err == ""
    assert not (out / "model.safetensors").exists()
    assert all(isfinite(record["loss"]) for record in read_records(out / "records.jsonl")[1][1:])


@pytest.fixture
def hearing() -> Iterator[None]:
    """Ctrl-C as a terminal's programs hear it; what runs in the background begins deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hearing")
def test_a_second_ctrl_c_ends_at_once(command, monkeypatch):
    def interrupted(*_: object) -> StepResult:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one was not heard")

    monkeypatch.setattr(Training, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main([*command[0], "--steps", "12"])


def test_a_log_of_lines_tells_progress_points_and_samples(command, monkeypatch, capsys):
    monkeypatch.setattr(training_progress, "SECONDS_BETWEEN_LINES", 0)
    arguments, out = command
    main([*arguments, "--steps", "4", "--evaluate-every", "2", "--prompt", "A fox"])
    printed = capsys.readouterr().out
    assert re.search(r"^step 1 of 4: loss 1\d\.\d{3}, [\d,]+ tokens/s, \d+ seconds left$", printed, re.MULTILINE)
    points = re.findall(r"^step (\d): held-out loss (\d+\.\d{4})( \(best so far\))?\n  A fox.", printed, re.MULTILINE)
    assert [int(step) for step, _, _ in points] == [0, 2, 4]
    found = [record for record in read_records(out / "records.jsonl")[1] if record["heldout_loss"] is not None]
    assert [f"{record['heldout_loss']:.4f}" for record in found] == [loss for _, loss, _ in points]
    assert all(record["sample"] for record in found)


def test_steps_on_the_way_are_kept_as_models_that_open(command):
    arguments, out = command
    main([*arguments, "--steps", "8", "--keep-steps", "4", "--evaluate-every", "1"])
    kept = sorted((out / "steps").iterdir())
    assert [folder.name for folder in kept] == ["000000", "000001", "000003", "000008"]
    _, held_out = divide(ids_of(SENTENCE * 20), 16)
    losses = {record["step"]: record["heldout_loss"] for record in read_records(out / "records.jsonl")[1]}
    for folder in kept:
        assert heldout_loss(load_model(folder), held_out) == pytest.approx(losses[int(folder.name)], abs=0.02)


def test_it_goes_on_from_another_model_with_its_sizes(command, tmp_path):
    arguments, out = command
    main([*arguments, "--steps", "30"])
    again = tmp_path / "again"
    continued = [
        arguments[0],
        "--out",
        str(again),
        "--from",
        str(out),
        "--batch-size",
        "4",
        "--steps",
        "3",
        "--dropout",
        "0",
    ]
    main(continued)
    assert load_model(again).config == load_model(out).config
    records = read_records(again / "records.jsonl")[1]
    _, held_out = divide(ids_of(SENTENCE * 20), 16)
    assert records[0]["heldout_loss"] == pytest.approx(heldout_loss(load_model(out), held_out), abs=1e-4)
    assert f"trained from {out} by" in (again / "README.md").read_text()


@pytest.mark.usefixtures("short_samples")
def test_a_model_with_a_vocabulary_of_its_own_goes_on_in_its_own_tokens(tmp_path):
    """Without a vocabulary file a text is ids; the trained model has as many as the one it goes on from."""
    save_model(GPTModel(GPTConfig(50, 16, 32, 2, 2, tied_head=True)), tmp_path / "ids")
    (tmp_path / "ids.txt").write_text(" ".join(str(number % 7) for number in range(400)))
    out = tmp_path / "out"
    main(
        [
            str(tmp_path / "ids.txt"),
            "--out",
            str(out),
            "--from",
            str(tmp_path / "ids"),
            "--steps",
            "60",
            "--rate",
            "0.02",
        ]
    )
    model = load_model(out)
    assert model.config.vocab_size == 50
    assert next_token_table(model, [3, 4, 5]).tokens[0].token_id == 6


def test_every_setting_of_the_model_can_be_chosen(command):
    arguments, out = command
    chosen = "--steps 2 --no-qkv-bias --no-tied-head --inner-dim 48 --activation relu --drop-rate-attn 0.2"
    main([*arguments, *chosen.split()])
    config = load_model(out).config
    assert (config.qkv_bias, config.tied_head, config.inner_dim, config.activation) == (False, False, 48, "relu")
    assert (config.drop_rate, config.drop_rate_attn) == (0.0, 0.2)


# A checkpoint after each of the first eight steps; the process is killed, without a word, in its thirteenth.
_KILLED = """
import os, signal, sys
from gpt.training import command_line, training_run
from gpt.training.training_state import Training
step = Training.step
def killed(self, schedule):
    training_run.SECONDS_BETWEEN_CHECKPOINTS = 0 if self.steps_done < 8 else 1e9
    if self.steps_done == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, schedule)
Training.step, training_run.SAMPLE_TOKENS = killed, 4
command_line.main(sys.argv[1:])
"""


def test_a_killed_training_ends_bit_for_bit_like_one_that_ran_through(command, tmp_path):
    arguments, out = command
    options = "--steps 30 --dropout 0.1 --evaluate-every 3 --patience 9 --keep-steps 4 --warmup 0.2"
    arguments += options.split()
    through = tmp_path / "through"
    main([str(through) if argument == str(out) else argument for argument in arguments])
    ended = subprocess.run([sys.executable, "-c", _KILLED, *arguments], cwd=Path(__file__).parents[2], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert torch.load(out / ".checkpoints" / "last.pt", weights_only=True)["steps_done"] == 8
    assert [record["step"] for record in read_records(out / "records.jsonl")[1]] == list(range(13))
    main(arguments)
    for name in ("model.safetensors", "steps/000030/model.safetensors", "steps/000001/model.safetensors"):
        assert (out / name).read_bytes() == (through / name).read_bytes()
    logs = [read_records(folder / "records.jsonl")[1] for folder in (out, through)]
    assert [{**record, "seconds": 0} for record in logs[0]] == [{**record, "seconds": 0} for record in logs[1]]
    cards = [(folder / "README.md").read_text().partition("\n")[2] for folder in (out, through)]
    assert cards[0] == cards[1]

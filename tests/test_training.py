"""The trainer learns, goes on after a stop as if there had been none, and leaves a model that opens."""

import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gpt import training
from gpt.config import GPTConfig
from gpt.evaluation import heldout_loss
from gpt.tokenizer import Tokenizer
from gpt.training import Schedule, Training, main
from gpt.weights import load_model

# No token occurs twice, so each one tells for certain which comes next.
SENTENCE = "A fox came by at noon, looked over our gate and asked seven sleepy hens where supper was.\n"
TINY = GPTConfig(50257, 16, 32, 2, 2, drop_rate=0.0, qkv_bias=True, tied_head=True)
SHORT = Schedule(steps=6, cooldown_steps=2, batch_size=4, warmup_steps=2)


def ids_of(text: str) -> torch.Tensor:
    return torch.tensor(Tokenizer().encode(text, special=True))


def state_of(trained: Training) -> list[torch.Tensor]:
    """All that another step depends on, as one flat list."""
    moments = [trained.muon.state_dict()["state"], trained.adamw.state_dict()["state"]]
    tensors = [tensor for state in moments for of_parameter in state.values() for tensor in of_parameter.values()]
    return [*trained.model.state_dict().values(), *tensors, torch.tensor(trained.recent_loss)]


def test_it_learns_a_tiny_text_by_heart_and_drops_every_other_token():
    ids = ids_of(SENTENCE * 3)
    trained = Training(TINY, ids, seed=1)
    schedule = Schedule(steps=150, cooldown_steps=50, batch_size=4, peak_rate=2e-2, warmup_steps=10)
    losses = [trained.step(schedule) for _ in range(schedule.steps)]
    assert losses[0] > 10
    assert losses[-1] < 0.02
    assert trained.heldout_loss(ids) < 0.02
    unseen = torch.ones(50257, dtype=torch.bool)
    unseen[ids] = False
    probabilities = trained.vocabulary.expand(trained.model)(ids[None, :16]).softmax(-1)
    assert probabilities[..., unseen].max() < 1e-6


@pytest.mark.parametrize("drop_rate", [0.0, 0.1])
def test_a_training_broken_off_and_resumed_ends_bit_for_bit_like_one_that_ran_through(tmp_path, drop_rate):
    config, ids = replace(TINY, drop_rate=drop_rate), ids_of(SENTENCE * 5)
    through = Training(config, ids, seed=1)
    for _ in range(6):
        through.step(SHORT)
    broken_off = Training(config, ids, seed=1)
    for _ in range(3):
        broken_off.step(SHORT)
    broken_off.save(tmp_path / "last.pt")
    torch.manual_seed(99)
    resumed = Training(config, ids, seed=1)
    resumed.load(tmp_path / "last.pt")
    for _ in range(3):
        resumed.step(SHORT)
    for one, other in zip(state_of(through), state_of(resumed), strict=True):
        assert torch.equal(one, other)


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    trained = Training(TINY, ids_of(SENTENCE * 5), seed=1)
    trained.save(tmp_path / "last.pt")

    def killed(_: object, path: Path) -> None:
        path.write_bytes(b"half a checkpoint")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    trained.step(SHORT)
    with pytest.raises(KeyboardInterrupt):
        trained.save(tmp_path / "last.pt")
    resumed = Training(TINY, ids_of(SENTENCE * 5), seed=1)
    resumed.load(tmp_path / "last.pt")
    assert resumed.steps_done == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 2}, "has seed 1, this training has 2"),
        ({"config": replace(TINY, n_layers=1)}, "'n_layers': 2"),
        ({"token_ids": ids_of(SENTENCE * 4)}, "choose another folder, or delete the checkpoint"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, changed, message):
    same = {"config": TINY, "token_ids": ids_of(SENTENCE * 5), "seed": 1}
    Training(**same).save(tmp_path / "last.pt")
    with pytest.raises(ValueError, match=re.escape(message)):
        Training(**{**same, **changed}).load(tmp_path / "last.pt")


def test_a_pass_asks_for_every_place_of_the_text_at_most_once_and_each_pass_cuts_elsewhere():
    ids = torch.arange(500)
    trained = Training(TINY, ids, seed=1)
    in_pass = (500 - 16) // 16
    first = trained._windows(in_pass)
    trained.windows_done = in_pass
    second = trained._windows(in_pass)
    for windows in (first, second):
        places = trained.vocabulary.ids[windows]
        assert torch.equal(places.diff(dim=1), torch.ones(in_pass, 16, dtype=torch.int64))
        assert len(places[:, 1:].unique()) == in_pass * 16
        assert not torch.equal(places.sort(0).values, places)
    assert first[:, 0].min() != second[:, 0].min()


def test_batches_that_straddle_two_passes_hold_the_end_of_one_and_the_start_of_the_next():
    trained = Training(TINY, torch.arange(500), seed=1)
    one_by_one = []
    for trained.windows_done in range(28, 33):
        one_by_one.append(trained._windows(1))
    trained.windows_done = 28
    assert torch.equal(trained._windows(5), torch.cat(one_by_one))


def test_a_text_shorter_than_a_window_is_refused():
    with pytest.raises(ValueError, match="The text has 16 tokens: a context of 16 needs at least 17"):
        Training(TINY, torch.arange(16), seed=1)


def test_the_rate_warms_up_stays_and_falls_to_almost_nothing():
    schedule = Schedule(steps=100, cooldown_steps=20, peak_rate=1.0, warmup_steps=10)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[0] == pytest.approx(1 / 11)
    assert set(rates[10:80]) == {1.0}
    assert rates[80:] == sorted(rates[80:], reverse=True)
    assert rates[-1] == pytest.approx(1 / 21)


@pytest.fixture(autouse=True)
def signals_as_before():
    """The trainer answers Ctrl-C in its own way; the tests after it should not."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def command(tmp_path):
    """The arguments of a small training, and the folder it writes."""
    text, out = tmp_path / "fable.txt", tmp_path / "fox"
    text.write_text(SENTENCE * 20)
    sizes = "--emb-dim 32 --layers 2 --heads 2 --context 16 --batch-size 4 --seed 5"
    return [str(text), "--out", str(out), *sizes.split()], out


def test_the_command_leaves_a_model_that_opens_and_a_card_with_its_measured_loss(command):
    arguments, out = command
    main([*arguments, "--steps", "12"])
    model = load_model(out)
    assert model.config == GPTConfig(50257, 16, 32, 2, 2, drop_rate=0.0, qkv_bias=True, tied_head=True)
    card = (out / "README.md").read_text()
    n_tokens = len(ids_of(SENTENCE * 20))
    held_out = ids_of(SENTENCE * 20)[-max(n_tokens // 50, 17) :]
    assert f"{heldout_loss(model, held_out):.4f} nats per token, over {len(held_out)} tokens" in card
    assert f"| tokens seen | {12 * 4 * 16}, that is" in card
    assert "| seed | 5 |" in card
    assert re.findall(r"^(\d+)\. \*\*", card, re.MULTILINE) == [str(n) for n in range(1, card.count(". **") + 1)]


def test_the_same_command_again_goes_on_and_a_finished_one_does_nothing(command, monkeypatch):
    arguments, out = command
    main([*arguments, "--steps", "5", "--cooldown-steps", "0"])
    main([*arguments, "--steps", "12", "--cooldown-steps", "0"])
    weights = (out / "model.safetensors").read_bytes()
    monkeypatch.setattr(Training, "step", lambda *_: pytest.fail("a finished training took another step"))
    main([*arguments, "--steps", "12", "--cooldown-steps", "0"])
    assert (out / "model.safetensors").read_bytes() == weights


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_kill_finish_the_step_and_keep_it(command, monkeypatch, capsys, number):
    arguments, out = command
    step = Training.step

    def interrupted(self: Training, schedule: Schedule) -> float:
        if self.steps_done == 2:
            signal.raise_signal(number)
        return step(self, schedule)

    monkeypatch.setattr(Training, "step", interrupted)
    main([*arguments, "--steps", "12"])
    assert "Stopped after step 3" in capsys.readouterr().out
    assert not (out / "model.safetensors").exists()
    assert torch.load(out / ".checkpoints" / "last.pt", weights_only=True)["steps_done"] == 3


def test_progress_tells_loss_speed_time_left_and_held_out_loss(command, monkeypatch, capsys):
    monkeypatch.setattr(training, "SECONDS_BETWEEN_REPORTS", 0)
    monkeypatch.setattr(training, "STEPS_BETWEEN_EVALUATIONS", 2)
    arguments, _ = command
    main([*arguments, "--steps", "3"])
    printed = capsys.readouterr().out
    assert re.search(r"step 1 of 3: loss 1\d\.\d{3}, [\d,]+ tokens/s, \d+ minutes left", printed)
    assert re.search(r"step 2: held-out loss 1\d\.\d{4}", printed)


def test_a_file_that_is_not_there_ends_with_a_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "none.txt"), "--out", str(tmp_path / "out")])
    assert "No such file" in capsys.readouterr().err

"""The trainer learns, goes on after a stop as if there had been none, and keeps the best weights it had."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gpt.config import GPTConfig
from gpt.model import GPTModel
from gpt.tokenizer import Tokenizer
from gpt.training.evaluation import heldout_loss
from gpt.training.schedule import Schedule
from gpt.training.text_windows import TextWindows
from gpt.training.training_state import LARGEST_SEED, N_LAST_LOSSES, Training
from gpt.training.vocabulary import TextVocabulary

# No token occurs twice, so each one tells for certain which comes next.
SENTENCE = "A fox came by at noon, looked over our gate and asked seven sleepy hens where supper was.\n"
TINY = GPTConfig(50257, 16, 32, 2, 2, drop_rate=0.0, qkv_bias=True, tied_head=True)
SHORT = Schedule(steps=6, cooldown_steps=2, batch_size=4, warmup_steps=2)


def ids_of(text: str) -> torch.Tensor:
    return torch.tensor(Tokenizer().encode(text, special=True))


IDS = ids_of(SENTENCE * 5)


def tensors_in(state: object) -> list[torch.Tensor]:
    """All tensors of nested dictionaries and lists, in order."""
    if isinstance(state, torch.Tensor):
        return [state]
    inner = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else []
    return [tensor for each in inner for tensor in tensors_in(each)]


def assert_same_state(one: Training, other: Training) -> None:
    """All that another step or the finished model depends on is equal, bit for bit."""
    for left, right in zip(tensors_in(one._state()), tensors_in(other._state()), strict=True):
        assert torch.equal(left, right)
    assert (one.points, one.history, list(one.last_losses)) == (other.points, other.history, list(other.last_losses))
    assert one.best is None or other.best is not None
    assert {**(one.best or {}), "weights": 0} == {**(other.best or {}), "weights": 0}


def test_it_learns_a_tiny_text_by_heart_and_drops_every_other_token():
    ids = ids_of(SENTENCE * 3)
    trained = Training(TINY, ids, seed=1)
    schedule = Schedule(steps=150, cooldown_steps=50, batch_size=4, peak_rate=2e-2, warmup_steps=10)
    losses = [trained.step(schedule).loss for _ in range(schedule.steps)]
    assert losses[0] > 10
    assert losses[-1] < 0.02
    assert trained.heldout_loss(ids) < 0.02
    assert trained.training_loss == pytest.approx(sum(losses[-N_LAST_LOSSES:]) / N_LAST_LOSSES)
    unseen = torch.ones(50257, dtype=torch.bool)
    unseen[ids] = False
    probabilities = trained.whole_model()(ids[None, :16]).softmax(-1)
    assert probabilities[..., unseen].max() < 1e-6


def test_the_books_plain_adamw_learns_too():
    trained = Training(TINY, IDS, seed=1, optimizer="adamw")
    schedule = Schedule(steps=100, cooldown_steps=50, batch_size=4, peak_rate=5e-3)
    losses = [trained.step(schedule).loss for _ in range(schedule.steps)]
    assert losses[-1] < 0.5


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("drop_rate", [0.0, 0.1])
@pytest.mark.parametrize("tied_head", [True, False])
def test_a_training_broken_off_and_resumed_ends_bit_for_bit_like_one_that_ran_through(
    tmp_path, optimizer, drop_rate, tied_head
):
    config = replace(TINY, drop_rate=drop_rate, tied_head=tied_head)
    through, broken_off, resumed = (Training(config, IDS, seed=1, optimizer=optimizer) for _ in range(3))

    def go_on(training: Training, n_steps: int) -> None:
        for _ in range(n_steps):
            training.step(SHORT)
            training.measure(IDS[:30])

    go_on(through, 6)
    go_on(broken_off, 3)
    broken_off.save(tmp_path / "last.pt")
    torch.manual_seed(99)
    resumed.load(tmp_path / "last.pt")
    go_on(resumed, 3)
    assert_same_state(through, resumed)


def test_measuring_changes_nothing_that_another_step_depends_on():
    config = replace(TINY, drop_rate=0.1)
    measured, unmeasured = Training(config, IDS, seed=1), Training(config, IDS, seed=1)
    for _ in range(3):
        measured.step(SHORT)
        measured.measure(IDS)
        unmeasured.step(SHORT)
    unmeasured.points, unmeasured.best = measured.points, measured.best
    assert_same_state(measured, unmeasured)


def test_the_held_out_loss_in_training_is_that_of_the_whole_model():
    trained = Training(replace(TINY, drop_rate=0.5), IDS, seed=1)
    trained.step(SHORT)
    other = ids_of("The hens, at noon, saw a zebra where our fox was asleep, and asked over the gate what it ate.")
    assert trained.heldout_loss(other) == pytest.approx(heldout_loss(trained.whole_model(), other), abs=1e-4)
    assert trained.model.training


def test_the_best_weights_are_those_of_the_lowest_point_and_later_ones_are_counted(monkeypatch):
    trained = Training(TINY, IDS, seed=1)
    losses = iter([5.0, 3.0, 4.0, 3.5])
    monkeypatch.setattr(trained, "heldout_loss", lambda _: next(losses))
    for _ in range(4):
        trained.step(SHORT)
        trained.measure(IDS)
        if trained.steps_done == 2:
            then, training_loss = trained.whole_model().state_dict(), trained.training_loss
    assert trained.points == [(1, 5.0), (2, 3.0), (3, 4.0), (4, 3.5)]
    assert trained.points_since_best == 2
    assert {**trained.best, "weights": 0} == {
        "step": 2,
        "heldout_loss": 3.0,
        "training_loss": training_loss,
        "windows_done": 8,
        "weights": 0,
    }
    best = trained.whole_model(trained.best["weights"]).state_dict()
    assert all(torch.equal(best[name], then[name]) for name in then)


def test_the_history_says_which_settings_each_step_had():
    trained = Training(TINY, IDS, seed=1)
    longer = replace(SHORT, steps=9)
    for schedule in (SHORT, SHORT, longer, longer):
        trained.step(schedule)
    assert [(entry["first_step"], entry["steps"]) for entry in trained.history] == [(0, 6), (2, 9)]


def test_a_model_goes_on_from_the_weights_of_another_one():
    before = Training(TINY, IDS, seed=1)
    for _ in range(3):
        before.step(SHORT)
    model = before.whole_model()
    after = Training(TINY, IDS, seed=2, start=model)
    assert after.heldout_loss(IDS) == pytest.approx(before.heldout_loss(IDS), abs=1e-5)
    # Every row of random weights is another one: none of them may be lost by training on a few tokens.
    torch.manual_seed(0)
    random = GPTModel(TINY).eval()
    continued = Training(TINY, IDS, seed=2, start=random)
    assert all(
        torch.equal(value, continued.whole_model().state_dict()[name]) for name, value in random.state_dict().items()
    )
    continued.step(SHORT)


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    trained = Training(TINY, IDS, seed=1)
    trained.save(tmp_path / "last.pt")

    def killed(_: object, path: Path) -> None:
        path.write_bytes(b"half a checkpoint")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    trained.step(SHORT)
    with pytest.raises(KeyboardInterrupt):
        trained.save(tmp_path / "last.pt")
    resumed = Training(TINY, IDS, seed=1)
    resumed.load(tmp_path / "last.pt")
    assert resumed.steps_done == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 2}, "has seed 1, this training has 2"),
        ({"config": replace(TINY, n_layers=1)}, "'n_layers': 2"),
        ({"token_ids": ids_of(SENTENCE * 4)}, "choose another folder, or delete this one"),
        ({"optimizer": "adamw"}, "has optimizer muon, this training has adamw"),
        ({"start": GPTModel(TINY).eval()}, "has start_digest"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, changed, message):
    same = {"config": TINY, "token_ids": IDS, "seed": 1}
    Training(**same).save(tmp_path / "last.pt")
    with pytest.raises(ValueError, match=re.escape(message)):
        Training(**{**same, **changed}).load(tmp_path / "last.pt")


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04"])
def test_a_damaged_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"last.pt cannot be read \(\w+\): delete its folder to start again"):
        Training(TINY, IDS, seed=1).load(tmp_path / "last.pt")


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED + 1])
def test_a_seed_that_torch_cannot_tell_from_another_is_refused(seed):
    with pytest.raises(ValueError, match=f"The seed is {seed}: choose a whole number from 0 to 4,294,967,295"):
        Training(TINY, IDS, seed=seed)


def on_cpu(method):
    def inside(*arguments):
        with torch.device("cpu"):
            return method(*arguments)

    return inside


def test_a_step_makes_no_tensor_on_the_default_device(monkeypatch):
    """With a GPU every tensor has to be made where the model is: one that is not would land on "meta" here.

    Which tokens to read and to compare is worked out on the CPU, and moved.
    """
    for owner, name in ((TextWindows, "read"), (TextVocabulary, "_columns"), (TextVocabulary, "number")):
        monkeypatch.setattr(owner, name, on_cpu(getattr(owner, name)))
    config = replace(TINY, drop_rate=0.1)
    expected, trained = Training(config, IDS, seed=1), Training(config, IDS, seed=1)
    for _ in range(2):
        expected.step(SHORT)
        expected.measure(IDS)
    torch.set_default_device("meta")
    try:
        for _ in range(2):
            trained.step(SHORT)
            trained.measure(IDS)
    finally:
        torch.set_default_device(None)
    assert_same_state(expected, trained)

"""Records follow each step, held-out points come on time, and a training ends when it is told or no longer better."""

from threading import Event

import torch

from gpt.training.schedule import Plan, Schedule
from gpt.training.training_state import Training
from gpt.training.training_steps import Record, is_finished, train

from .test_training_state import IDS, TINY, assert_same_state

SCHEDULE = Schedule(steps=7, cooldown_steps=2, batch_size=4, warmup_steps=2)


def records_of(training: Training, plan: Plan, stop: Event | None = None) -> list[Record]:
    return list(train(training, plan, IDS[:40], stop or Event()))


def test_every_step_has_a_record_and_every_point_its_held_out_loss():
    training = Training(TINY, IDS, seed=1)
    records = records_of(training, Plan(SCHEDULE, evaluate_every=3))
    assert [record.step for record in records] == list(range(8))
    assert [record.step for record in records if record.heldout_loss is not None] == [0, 3, 6, 7]
    assert [(record.step, record.heldout_loss) for record in records if record.is_best] == [
        point
        for point in training.points
        if point[1] == min(loss for _, loss in training.points[: training.points.index(point) + 1])
    ]
    assert [record.tokens_seen for record in records] == [64 * step for step in range(8)]
    assert records[0].loss is None
    for record in records[1:]:
        assert record.loss > 0
        assert record.gradient_norm > 0
        assert record.seconds > 0
        assert record.rate == SCHEDULE.rate(record.step - 1)


def test_the_gradient_norm_is_that_of_all_gradients_together():
    training = Training(TINY, IDS, seed=1)
    batch = training.windows.read(0, SCHEDULE.batch_size)
    training._loss(batch, torch.Generator().manual_seed(0)).backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in training.model.parameters()]).norm().item()
    first = records_of(Training(TINY, IDS, seed=1), Plan(SCHEDULE, 7))[1]
    assert abs(first.gradient_norm / expected - 1) < 1e-3


def test_a_training_stopped_and_resumed_has_the_records_and_the_state_of_one_that_ran_through(tmp_path):
    plan = Plan(SCHEDULE, evaluate_every=2)
    through, first, second = (Training(TINY, IDS, seed=1) for _ in range(3))
    expected = records_of(through, plan)
    stop, found = Event(), []
    for record in train(first, plan, IDS[:40], stop):
        found.append(record)
        if record.step == 4:
            stop.set()
    assert not is_finished(first, plan)
    first.save(tmp_path / "last.pt")
    second.load(tmp_path / "last.pt")
    found += records_of(second, plan)
    assert [(each.step, each.loss, each.heldout_loss) for each in found] == [
        (each.step, each.loss, each.heldout_loss) for each in expected
    ]
    assert_same_state(through, second)
    assert is_finished(second, plan)


def test_with_patience_it_ends_after_so_many_points_that_are_not_better(monkeypatch, tmp_path):
    plan = Plan(SCHEDULE, evaluate_every=1, patience=2)
    losses = dict(enumerate([9.0, 8.0, 7.0, 7.5, 7.0, 1.0, 1.0, 1.0]))
    monkeypatch.setattr(Training, "heldout_loss", lambda self, _: losses[self.steps_done])
    training = Training(TINY, IDS, seed=1)
    assert [record.step for record in records_of(training, plan)] == [0, 1, 2, 3, 4]
    assert training.best["step"] == 2
    assert is_finished(training, plan)
    training.save(tmp_path / "last.pt")
    resumed = Training(TINY, IDS, seed=1)
    resumed.load(tmp_path / "last.pt")
    assert records_of(resumed, plan) == []
    assert [record.step for record in records_of(resumed, Plan(SCHEDULE, 1))] == [5, 6, 7]

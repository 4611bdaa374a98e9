"""The learning rate follows its schedule, held-out points come where the plan says, and nonsense is refused."""

from math import inf, nan

import pytest

from gpt.training.schedule import Plan, Schedule


def test_the_rate_warms_up_stays_and_falls_to_almost_nothing():
    schedule = Schedule(steps=100, cooldown_steps=20, peak_rate=1.0, warmup_steps=10)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[0] == pytest.approx(1 / 11)
    assert set(rates[10:80]) == {1.0}
    assert rates[80:] == sorted(rates[80:], reverse=True)
    assert rates[-1] == pytest.approx(1 / 21)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps is 0: choose a whole number from 1"),
        ({"steps": 10**12}, "steps is 1000000000000"),
        ({"cooldown_steps": -1}, "cooldown_steps is -1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"warmup_steps": -3}, "warmup_steps is -3"),
        ({"peak_rate": nan}, "rate is nan: choose a number above 0"),
        ({"peak_rate": -1.0}, "rate is -1.0"),
        ({"peak_rate": 0.0}, "rate is 0.0"),
        ({"peak_rate": inf}, "rate is inf"),
        ({"weight_decay": nan}, "weight decay is nan"),
        ({"weight_decay": -0.1}, "weight decay is -0.1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**{"steps": 10, "cooldown_steps": 3, **settings})


def test_held_out_points_come_at_their_distance_and_at_the_end():
    plan = Plan(Schedule(steps=10, cooldown_steps=0), evaluate_every=4)
    assert [step for step in range(1, 11) if plan.is_point(step)] == [4, 8, 10]


def test_a_plan_that_never_measures_or_never_waits_is_refused():
    schedule = Schedule(steps=10, cooldown_steps=0)
    with pytest.raises(ValueError, match="evaluate_every is 0"):
        Plan(schedule, 0)
    with pytest.raises(ValueError, match="patience is 0"):
        Plan(schedule, 1, 0)

"""A terminal sees a bar, a log sees lines that say where the training is and how long it still takes."""

import pytest

from gpt.training import training_progress
from gpt.training.training_progress import Bar, Lines, time_left
from gpt.training.training_steps import Record


def record(step: int) -> Record:
    return Record(step, 100 * step, 3.0 + step, 0.1, 2.0, seconds=0.5)


def test_a_line_gives_means_since_the_line_before_and_the_time_left(monkeypatch, capsys):
    clock = iter([0.0, 1.0, 2.0, 11.0, 11.0, 12.0, 22.0, 22.0])
    monkeypatch.setattr(training_progress, "monotonic", lambda: next(clock))
    lines = Lines(steps=200, tokens_seen=0)
    lines.show(Record(0, 0, heldout_loss=9.0))
    for step in range(1, 6):
        lines.show(record(step))
    assert capsys.readouterr().out == (
        "step 3 of 200: loss 5.000, 200 tokens/s, 2 minutes left\n"
        "step 5 of 200: loss 7.500, 200 tokens/s, 2 minutes left\n"
    )


def test_a_bar_counts_steps_and_lets_lines_through(capsys):
    bar = Bar(steps_done=1, steps=3)
    bar.show(Record(1, 0, heldout_loss=9.0))
    bar.show(record(2))
    bar.say("step 2: held-out loss 4.0")
    bar.close()
    printed = capsys.readouterr()
    assert "step 2: held-out loss 4.0\n" in printed.out
    assert "2/3" in printed.err
    assert "loss 5.000" in printed.err


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 seconds"), (89, "89 seconds"), (120, "2 minutes"), (5399, "90 minutes"), (9000, "2.5 hours")],
)
def test_durations_are_said_in_the_unit_people_would_use(seconds, said):
    assert time_left(seconds) == said

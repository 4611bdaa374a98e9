"""The log holds every step of a short training and means of a long one, and goes on where a checkpoint was."""

from gpt.training import training_log
from gpt.training.training_log import RecordFile, read_records
from gpt.training.training_steps import Record

ABOUT = {"text": "fable.txt"}


def record(step: int, heldout_loss: float | None = None) -> Record:
    return Record(step, 64 * step, float(step), 0.1, 2.0, 0.5, heldout_loss)


def test_what_was_added_is_read_again(tmp_path):
    log = RecordFile(tmp_path / "new" / "records.jsonl", ABOUT, 0, 10)
    log.add(Record(0, 0, heldout_loss=9.0, is_best=True), {"sample": "a sample"})
    log.add(record(1))
    about, found = read_records(tmp_path / "new" / "records.jsonl")
    assert about == ABOUT
    assert found[0] == {**vars(Record(0, 0, heldout_loss=9.0, is_best=True)), "sample": "a sample"}
    assert found[1] == vars(record(1))


def test_a_log_goes_on_after_the_last_checkpoint_and_drops_what_came_later(tmp_path):
    path = tmp_path / "records.jsonl"
    log = RecordFile(path, ABOUT, 0, 10)
    for step in range(1, 6):
        log.add(record(step))
    again = RecordFile(path, {"text": "again"}, 3, 10)
    again.add(record(4))
    about, found = read_records(path)
    assert about == {"text": "again"}
    assert [each["step"] for each in found] == [1, 2, 3, 4]
    RecordFile(path, ABOUT, 0, 10)
    assert read_records(path) == (ABOUT, [])


def test_a_line_that_a_kill_left_half_written_is_passed_over(tmp_path):
    path = tmp_path / "records.jsonl"
    RecordFile(path, ABOUT, 0, 10).add(record(1))
    with path.open("a") as file:
        file.write('{"step": 2, "lo')
    assert [each["step"] for each in read_records(path)[1]] == [1]
    RecordFile(path, ABOUT, 1, 10).add(record(2))
    assert [each["step"] for each in read_records(path)[1]] == [1, 2]


def test_a_long_training_logs_means_and_every_held_out_point(tmp_path, monkeypatch):
    monkeypatch.setattr(training_log, "N_RECORDS", 4)
    log = RecordFile(tmp_path / "records.jsonl", ABOUT, 0, 16)
    for step in range(1, 17):
        log.add(record(step, heldout_loss=5.0 if step == 6 else None))
    found = read_records(tmp_path / "records.jsonl")[1]
    assert [(each["step"], each["loss"]) for each in found] == [(4, 2.5), (6, 5.5), (8, 7.5), (12, 10.5), (16, 14.5)]


def test_the_step_at_which_a_long_training_is_left_is_logged_too(tmp_path, monkeypatch):
    monkeypatch.setattr(training_log, "N_RECORDS", 4)
    log = RecordFile(tmp_path / "records.jsonl", ABOUT, 0, 16)
    for step in range(1, 7):
        log.add(record(step))
    log.close()
    log.close()
    found = read_records(tmp_path / "records.jsonl")[1]
    assert [(each["step"], each["loss"]) for each in found] == [(4, 2.5), (6, 5.5)]


def test_no_log_is_an_empty_one(tmp_path):
    assert read_records(tmp_path / "none.jsonl") == ({}, [])

"""A folder is found usable without anything being left in it, and steps are kept evenly by their logarithm."""

import pytest

from gpt.training.output_folder import OutputFolder, steps_to_keep


def test_a_new_folder_in_a_new_folder_is_usable_and_not_made_yet(tmp_path):
    OutputFolder(tmp_path / "new" / "newer").check_usable()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_refused_as_a_folder(tmp_path):
    (tmp_path / "file").write_text("here")
    with pytest.raises(ValueError, match="file is a file: give the folder"):
        OutputFolder(tmp_path / "file").check_usable()
    with pytest.raises(ValueError, match="file takes no new file"):
        OutputFolder(tmp_path / "file" / "below").check_usable()


def test_a_name_that_no_folder_can_have_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"--out cannot be written \(File name too long\)"):
        OutputFolder(tmp_path / ("long" * 80)).check_usable()


def test_a_folder_where_nothing_can_be_written_is_refused(tmp_path, monkeypatch):
    def denied(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", denied)
    with pytest.raises(ValueError, match=r"takes no new file \(Permission denied\): choose another folder"):
        OutputFolder(tmp_path / "new").check_usable()


def test_a_model_that_no_checkpoint_belongs_to_is_not_overwritten(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"a model")
    with pytest.raises(ValueError, match="holds a model without a checkpoint"):
        OutputFolder(tmp_path).check_usable()
    checkpoint = OutputFolder(tmp_path).checkpoint
    checkpoint.parent.mkdir()
    checkpoint.touch()
    OutputFolder(tmp_path).check_usable()


@pytest.mark.parametrize("name", ["README.md", "config.json", "vocab.json"])
def test_a_file_of_somebody_else_is_not_overwritten(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=f"holds a {name} that no training has written"):
        OutputFolder(tmp_path).check_usable()
    checkpoint = OutputFolder(tmp_path).checkpoint
    checkpoint.parent.mkdir()
    checkpoint.touch()
    OutputFolder(tmp_path).check_usable()


@pytest.mark.parametrize(
    ("steps", "n", "expected"),
    [
        (1000, 0, []),
        (1000, 1, [1000]),
        (1000, 2, [0, 1000]),
        (1000, 5, [0, 1, 10, 100, 1000]),
        (3, 12, [0, 1, 2, 3]),
        (1, 12, [0, 1]),
    ],
)
def test_kept_steps_are_the_first_the_last_and_those_between_by_their_logarithm(steps, n, expected):
    assert steps_to_keep(steps, n) == expected

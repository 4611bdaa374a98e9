"""Two processes that share every batch train the model that one process trains."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gpt.training.command_line import main
from gpt.training.parallel_processes import ALONE, Processes
from gpt.training.training_job import check_shared_evenly
from gpt.training.training_log import read_records

ROOT = Path(__file__).parents[2]
TEXT = ROOT / "assets" / "storyteller" / "example.txt"
# Without dropout, whose masks two processes cannot share, and with a rate that does not depend on how long one trains.
OPTIONS = (
    f"{TEXT} --held-out {TEXT} --emb-dim 32 --layers 2 --heads 2 --context 32 --batch-size 8 --dropout 0 "
    "--warmup 0 --cooldown-steps 0 --evaluate-every 10"
)


def with_two_processes(out: Path, steps: int) -> str:
    launcher = "-m torch.distributed.run --standalone --nproc-per-node 2 -m gpt.training"
    command = [sys.executable, *launcher.split(), *OPTIONS.split(), "--out", str(out), "--steps", str(steps)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_two_processes_give_the_losses_of_one_also_when_they_were_stopped_between(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    main([*OPTIONS.split(), "--out", str(one), "--steps", "50"])
    printed = with_two_processes(two, 20)
    assert printed.count("The model is in") == 1
    with_two_processes(two, 50)
    of_one, of_two = (read_records(out / "records.jsonl")[1] for out in (one, two))
    assert [record["step"] for record in of_two] == list(range(51))
    for name in ("loss", "heldout_loss"):
        for left, right in zip(of_one, of_two, strict=True):
            assert left[name] == pytest.approx(right[name], abs=1e-3), (name, left["step"])
    assert sum(record["loss"] for record in of_one[1:11]) > 10 + sum(record["loss"] for record in of_one[-10:])


def test_a_batch_is_shared_in_equal_parts():
    batch = torch.arange(6)
    assert [Processes(rank, 3).share(batch).tolist() for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]
    assert torch.equal(ALONE.share(batch), batch)


def test_a_batch_that_cannot_be_shared_equally_is_refused():
    check_shared_evenly(6, Processes(0, 3))
    with pytest.raises(ValueError, match="--batch-size is 8 and 3 processes share it: choose a multiple of 3"):
        check_shared_evenly(8, Processes(0, 3))

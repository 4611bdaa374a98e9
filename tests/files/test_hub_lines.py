"""Downloads over lines that break, are slow or stand still, and files that arrive or lie on the disk damaged."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from gpt import WeightsError
from gpt.files import hub, hub_transfer
from gpt.files.hub_cache import repository_folder

from .hub_client import NAME, ROOT, files_of, partial_bytes, refusal
from .hub_server import Trouble
from .refused_files import LFS

# Lines that break


def test_a_download_that_breaks_off_goes_on_where_it_stopped(online, large):
    online.trouble.cuts = [10_000_000, 20_000_000, 5_000_000]
    assert files_of(hub.download(NAME)) == large
    starts = online.offsets()
    assert len(starts) == 4
    assert starts == sorted(starts)
    assert starts[1] > 5_000_000
    assert starts[-1] > 30_000_000


def test_a_download_that_was_killed_goes_on_where_it_stopped(online, large, tmp_path):
    online.trouble.bytes_per_second = 20e6
    program = f"from gpt.files import hub; hub.download({NAME!r})"
    environment = {**os.environ, "HF_ENDPOINT": online.address, "HF_HUB_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment)
    while partial_bytes() < 5_000_000:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = partial_bytes()
    online.trouble.bytes_per_second = 0
    assert files_of(hub.download(NAME)) == large
    assert online.offsets()[-1] == kept >= 5_000_000
    assert len(list(repository_folder(NAME).glob("blobs/*"))) == len(large)  # and no orphans


def test_a_server_that_cannot_go_on_in_the_middle_begins_again(online, large):
    online.trouble = Trouble(cuts=[10_000_000], ignores_ranges=True)
    assert files_of(hub.download(NAME)) == large


def test_a_line_that_breaks_again_and_again_is_named_with_how_far_it_came(online, monkeypatch):
    monkeypatch.setattr(hub_transfer, "_ATTEMPTS", 2)
    online.trouble.cuts = [10 * 2**20, 0, 0, 0, 0]
    sentence = refusal()
    assert re.search(
        r"the connection breaks off after \d+\.\d of 4\d\.\d MiB: try again, and the download goes on", sentence
    )
    kept = partial_bytes()
    assert kept > 5_000_000
    online.trouble.cuts = []
    hub.download(NAME)
    assert online.offsets()[-1] == kept


def test_a_slow_line_is_told_in_bytes_and_can_be_left_at_once(online):
    online.trouble.bytes_per_second = 1
    told = []
    begin = time.monotonic()

    def tell(done: int, _: int) -> None:
        told.append(done)
        if time.monotonic() - begin > 3:
            raise TimeoutError("left")

    with pytest.raises(TimeoutError, match="left"):
        hub.download(NAME, tell)
    assert time.monotonic() - begin < 5
    assert len(told) > 6
    assert 1 <= told[-1] - told[0] < 2000


def test_a_line_that_stands_still_can_be_left_at_once(online):
    online.trouble.stalls_after = 2**20
    begin = time.monotonic()

    def tell(*_: int) -> None:
        if time.monotonic() - begin > 2:
            raise TimeoutError("left")

    with pytest.raises(TimeoutError, match="left"):
        hub.download(NAME, tell)
    assert time.monotonic() - begin < 4


# Files that are not what they should be


def test_a_file_that_arrives_damaged_is_thrown_away_and_fetched_again(online, large):
    online.trouble.changes = True
    assert "model.safetensors arrived damaged (its checksum differs) and was thrown away: try again" in refusal()
    assert partial_bytes() == 0
    assert hub.downloaded(NAME) is None
    online.trouble.changes = False
    assert files_of(hub.download(NAME)) == large


def test_a_file_of_another_length_than_announced_is_named(online):
    online.trouble.misses = 1000
    assert re.search(r"is not what the Hub announced \([\d,]+ bytes came instead of [\d,]+\)", refusal())


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("damage", [b"", b"\0" * 5000, LFS])
def test_a_file_that_was_damaged_in_the_cache_leaves_it(large, damage):
    folder = hub.download(NAME)
    (folder / "model.safetensors").resolve().write_bytes(damage)
    with pytest.raises(
        WeightsError, match=r"^model.safetensors of .* was damaged on this machine and has been removed"
    ):
        hub.load_repository(NAME)
    assert hub.load_repository(NAME).config.emb_dim == 192
    assert files_of(folder) == large

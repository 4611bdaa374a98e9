"""What is said while a model comes from the Hub, and that who waits can leave."""

import re
import time
from threading import Event

import pytest

from gpt.files import hub, hub_progress
from gpt.files.hub_progress import Progress, asking, in_background, patiently

from .hub_client import NAME, files_of

MIB = 2**20


@pytest.fixture
def clock(monkeypatch):
    """Seconds as the test sets them."""
    now = [100.0]
    monkeypatch.setattr(hub_progress, "monotonic", lambda: now[0])
    return now


def test_a_download_is_told_in_mebibytes_while_the_line_is_quick(clock):
    progress = Progress("a")
    assert progress.at(0, 1500 * MIB) == "Downloading a: 0 of 1,500 MiB …"
    for second in range(1, 30):
        clock[0] += 1
        assert progress.at(second * MIB, 1500 * MIB) == f"Downloading a: {second} of 1,500 MiB …"


def test_a_slow_line_is_told_in_bytes_with_its_rate_and_the_way_out(clock):
    progress = Progress("a")
    for second in range(10):
        progress.at(2000 + second, 40 * MIB)
        clock[0] += 1
    said = "Downloading a: 2,009 of 41,943,040 bytes. The connection is slow, 1 byte a second: Stop leaves it, and"
    assert progress.said().startswith(said)
    for _ in range(10):  # then nothing more comes
        clock[0] += 1
        last = progress.said()
    assert "The connection is slow, 0 bytes a second" in last
    for second in range(10):  # and it is quick again
        clock[0] += 1
        last = progress.at(second * MIB, 40 * MIB)
    assert last == "Downloading a: 9 of 40 MiB …"


def test_what_an_earlier_try_left_is_not_taken_for_speed(clock):
    progress = Progress("a")
    progress.at(30 * MIB, 40 * MIB)
    clock[0] += 6
    assert "0 bytes a second" in progress.said()


def test_a_hub_that_takes_its_time_to_answer_is_called_slow(clock):
    progress = Progress("a")
    assert progress.said() == "Asking the Hub about a …"
    clock[0] += 7
    assert progress.said() == asking("a", 7.0)
    assert asking("a", 7.0) == "Asking the Hub about a … for 7 seconds: the connection is slow, and Stop leaves it."


def test_who_leaves_a_slow_line_leaves_at_once_and_a_second_try_goes_on(online, large):
    online.trouble.bytes_per_second = 1
    began = time.monotonic()

    def tell(said: str) -> None:
        if "bytes" in said:
            raise KeyboardInterrupt(said)

    with pytest.raises(KeyboardInterrupt, match=r"[\d,]+ of 42,\d{3},\d{3} bytes\. The connection is slow"):
        hub_progress.download(NAME, tell)
    assert time.monotonic() - began < 30
    online.trouble.bytes_per_second = 0
    told = []
    assert files_of(hub_progress.download(NAME, told.append)) == large
    assert all(re.fullmatch(rf"(Asking|Downloading) .*{NAME}.*", said) for said in told)


def test_who_leaves_a_hub_that_does_not_answer_leaves_at_once(monkeypatch):
    answered = Event()
    monkeypatch.setattr(hub, "describe", lambda _: answered.wait(30))

    def tell(said: str) -> None:
        raise KeyboardInterrupt(said)

    with pytest.raises(KeyboardInterrupt, match="Asking the Hub about someone/silent"):
        hub_progress.describe("someone/silent", tell)
    answered.set()


def test_two_who_ask_the_same_share_one_answer_and_a_failure_is_not_kept(online):
    first, second = hub_progress.description(NAME), hub_progress.description(NAME)
    assert first is second
    assert first.result(30).parameters == 10_551_744
    online.requests.clear()
    assert hub_progress.description(f"https://huggingface.co/{NAME}").result(30) == first.result()
    assert online.requests == []
    online.refusals["someone/busy"] = (503, {})
    for _ in range(2):
        online.requests.clear()
        with pytest.raises(hub.WeightsError, match="trouble of its own"):
            hub_progress.description("someone/busy").result(30)
        assert online.requests


def test_what_work_raises_is_raised_where_it_is_waited_for():
    with pytest.raises(KeyError, match="lost"):
        patiently(in_background(lambda: {}["lost"]), lambda: None)

"""Each trouble with a Hub, a network or a disk has one true sentence."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from gpt import WeightsError
from gpt.files import hub, hub_transfer

from .hub_client import NAME, partial_bytes, point_to, refusal

# Troubles, each with its own sentence

TROUBLES = {
    "no repository": (404, {"X-Error-Code": "RepoNotFound"}, "There is no repository .* check the name"),
    "private": (401, {"X-Error-Code": "RepoNotFound"}, "There is no repository .*, or it is private"),
    "no branch": (404, {"X-Error-Code": "RevisionNotFound"}, "There is no repository"),
    "gated": (
        403,
        {"X-Error-Code": "GatedRepo"},
        "lets only those read it who ask: accept its terms on .*/someone/small-gpt2",
    ),
    "forbidden": (403, {}, "does not allow it"),
    "too many requests": (429, {"Retry-After": "30"}, "too many requests from this address: try again in 30 seconds"),
    "too many, no word how long": (429, {}, "try again in a few minutes"),
    "trouble": (503, {}, r"has trouble of its own \(status 503\): try again later"),
    "no Hub": (200, {}, "does not answer like a Hub: check HF_ENDPOINT"),
    "teapot": (418, {}, "answered with status 418"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_each_trouble_has_one_true_sentence(online, name):
    status, headers, said = TROUBLES[name]
    online.refusals[NAME] = status, headers
    assert re.search(said, refusal())
    with pytest.raises(WeightsError, match=said):
        hub.describe(NAME)


@pytest.mark.parametrize("status", [429, 500])
def test_trouble_in_the_middle_has_the_same_sentence(online, monkeypatch, status):
    monkeypatch.setattr(hub_transfer, "_ATTEMPTS", 2)
    online.trouble.bytes_per_second = 20e6

    def refuse(done: int, _: int) -> None:
        if done > 2e6:
            online.refusals[NAME] = status, {}
            online.trouble.cuts = [0]

    online.trouble.cuts = [6_000_000]
    with pytest.raises(WeightsError, match="too many requests" if status == 429 else "trouble of its own"):
        hub.download(NAME, refuse)
    assert partial_bytes() > 2_000_000


@pytest.mark.usefixtures("online")
def test_without_a_network_one_sentence_says_so_and_what_is_cached_opens(tmp_path, monkeypatch):
    hub.download(NAME)
    point_to(monkeypatch, "http://127.0.0.1:9", tmp_path / "cache")
    assert hub.load_repository(NAME).config.emb_dim == 192
    because = (
        r"^gpt2-124M could not be downloaded, because the Hub \(127.0.0.1:9\) cannot be reached: check the connection"
    )
    assert re.search(because, refusal("gpt2-124M"))


def test_offline_is_said_and_what_is_cached_opens(online, monkeypatch):
    hub.download(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    online.requests.clear()
    assert hub.load_repository(NAME).config.emb_dim == 192
    assert "HF_HUB_OFFLINE is set and it is not on this machine" in refusal("someone/else")
    assert online.requests == []


@pytest.mark.usefixtures("online")
def test_a_hub_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(hub_transfer, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(hub_transfer.connect, "__defaults__", (0.5,))
    monkeypatch.setattr("tests.files.hub_server._Handler.do_HEAD", lambda _: time.sleep(3))
    assert "does not answer: try again later" in refusal()


def test_a_certificate_that_proves_nothing_is_named(online, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", online.address.replace("http", "https"))
    assert "cannot prove who it is" in refusal()


@pytest.mark.usefixtures("online")
def test_a_full_disk_is_named_and_what_came_stays(monkeypatch):
    write_piece = hub_transfer._receive

    def full(*arguments: object) -> Iterator[None]:
        for count, _ in enumerate(write_piece(*arguments)):
            yield
            if count > 20:
                raise OSError(28, "No space left on device")

    monkeypatch.setattr(hub_transfer, "_receive", full)
    assert "cache is full: make room, and the download goes on where it stopped" in refusal()
    assert partial_bytes() > 0


def test_too_little_room_is_said_before_anything_comes(online, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    assert re.search(r"it needs 4\d MiB more and 1 are free in .*: make room", refusal())
    assert online.offsets() == []


@pytest.mark.usefixtures("online")
def test_a_cache_that_cannot_be_written_is_named(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert "cannot be written: set HF_HOME to a folder that can" in refusal()

"""What the tests of the Hub do as its client: point to one, look at what came, and read what it is refused with."""

import re
from pathlib import Path

import pytest
from huggingface_hub import constants

from gpt import GPTConfig, WeightsError
from gpt.files import hub
from gpt.files.hub_cache import repository_folder

ROOT = Path(__file__).parents[2]
NAME = "someone/small-gpt2"
LARGE = GPTConfig(context_length=64, emb_dim=192, n_heads=4, n_layers=2, qkv_bias=True, tied_head=True)  # 42 MB


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def point_to(monkeypatch: pytest.MonkeyPatch, address: str, cache: Path) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)


def refusal(name: str = NAME) -> str:
    """The one sentence that a download ends with."""
    with pytest.raises(WeightsError) as caught:
        hub.download(name)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert not re.search(r"[.!?] [A-Z]|httpx|Errno|Traceback|\n", sentence), sentence
    return sentence


def partial_bytes() -> int:
    return sum(path.stat().st_size for path in repository_folder(NAME).glob("blobs/*.incomplete"))

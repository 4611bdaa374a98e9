"""A Hub that runs on this machine, with a model whose download takes a moment, and an empty cache."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpt import GPTModel, save_model
from gpt.seeding import seeded

from .hub_client import LARGE, NAME, files_of, point_to
from .hub_server import Hub, running


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A model whose download takes a moment."""
    folder = tmp_path_factory.mktemp("large")
    with seeded(2):
        save_model(GPTModel(LARGE), folder)
    files = files_of(folder)
    assert 30e6 < len(files["model.safetensors"]) < 60e6
    return files


@pytest.fixture
def online(large: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub with the large model, and an empty cache."""
    with running(Hub({NAME: large})) as served:
        point_to(monkeypatch, served.address, tmp_path / "cache")
        yield served

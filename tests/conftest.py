"""Fixtures for every test: small random models, made once."""

from pathlib import Path

import pytest
import torch
from hypothesis import settings

from gpt import GPTConfig, GPTModel, Tokenizer, save_model
from gpt.seeding import seeded

# A busy machine is slow for reasons that have nothing to do with the claim.
settings.register_profile("explorer", deadline=None)
settings.load_profile("explorer")


def pytest_addoption(parser: pytest.Parser) -> None:
    """--all also runs the tests marked `long`; --real-weights FOLDER those for someone who has OpenAI's GPT-2 124M."""
    parser.addoption("--all", action="store_true", help="also run the tests marked long, which take minutes")
    parser.addoption("--real-weights", metavar="FOLDER", help="a folder with OpenAI's GPT-2 124M as safetensors")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --all, tests marked `long` are skipped."""
    if not config.getoption("--all"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="runs with --all"))


SMALL = GPTConfig(context_length=64, emb_dim=48, n_heads=4, n_layers=3, qkv_bias=True)


@pytest.fixture(scope="session")
def small_model() -> GPTModel:
    """GPT-2's vocabulary, everything else tiny; random weights from seed 1."""
    with seeded(1):
        model = GPTModel(SMALL).eval().requires_grad_(False)
    model.tokenizer = Tokenizer()
    return model


@pytest.fixture(scope="session")
def small_folder(small_model: GPTModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model as files."""
    folder = tmp_path_factory.mktemp("small")
    save_model(small_model, folder)
    return folder


@pytest.fixture
def sentence_ids() -> torch.Tensor:
    """The chapter's batch of section 4.1: "Every effort moves you", "Every day holds a"."""
    return torch.tensor([[6109, 3626, 6100, 345], [6109, 1110, 6622, 257]])

"""A small model whose every number is its own, and a visitor of a page with it: made once for all tests of the page."""

from pathlib import Path

import pytest
import torch

from gpt import GPTConfig, GPTModel, save_model
from gpt.library import Library
from gpt.seeding import seeded
from tests.ui.visitor import Visitor

UNEVEN = GPTConfig(context_length=40, emb_dim=24, n_heads=2, n_layers=3, qkv_bias=True)


@pytest.fixture(scope="session")
def uneven_model() -> GPTModel:
    """GPT-2's vocabulary and random norms and biases too: two tokens, heads, blocks or features never look the same."""
    with seeded(3):
        model = GPTModel(UNEVEN).eval().requires_grad_(False)
        for name, parameter in model.named_parameters():
            torch.nn.init.normal_(parameter, mean=float("scale" in name), std=0.3)
    return model


@pytest.fixture(scope="session")
def uneven_library(uneven_model: GPTModel, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A library that has the uneven model as its default, as a file."""
    folder: Path = tmp_path_factory.mktemp("uneven")
    save_model(uneven_model, folder)
    return Library(str(folder))


@pytest.fixture(scope="session")
def visitor(uneven_library: Library) -> Visitor:
    """A visitor for whom the page wrote six tokens; a test sets what it depends on, for others were here before."""
    visitor = Visitor(uneven_library)
    visitor.put(prompt="Every effort moves you", length=6, temperature=0.7, top_k=30, top_p=0.9, seed=11)
    visitor.fire("generate")
    return visitor

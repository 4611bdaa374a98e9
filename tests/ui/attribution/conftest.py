"""A library with one small model that reads GPT-2's tokens."""

from types import SimpleNamespace

import pytest

from gpt.model import GPTModel
from gpt.tokenizer import Tokenizer
from gpt.tracing import structural_copy


@pytest.fixture(scope="session")
def model(small_model) -> GPTModel:
    """The small model, with GPT-2's tokenizer."""
    twin = structural_copy(small_model)
    twin.tokenizer = Tokenizer()
    return twin


@pytest.fixture(scope="session")
def library(model) -> SimpleNamespace:
    """Gives the model by any name."""
    return SimpleNamespace(get=lambda _: SimpleNamespace(model=model))

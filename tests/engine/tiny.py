"""Small random models whose every parameter matters, and what the tests of the engine ask of them."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from gpt.config import GPTConfig
from gpt.engine.precision import set_precision
from gpt.engine.text_reader import text_reader
from gpt.model import GPTModel

# No vector, panel or pair divides these sizes.
CONFIG = GPTConfig(vocab_size=101, context_length=40, emb_dim=42, n_heads=3, n_layers=2, qkv_bias=True)
IDS = [5, 80, 12, 33, 7, 100, 0, 61, 9, 9, 44, 23, 17]

HAS_COMPILER = shutil.which("cc") is not None and os.environ.get("CC", "cc") != "false"
needs_library = pytest.mark.skipif(not HAS_COMPILER, reason="there is no C compiler")


def a_model(precision: str = "float32", seed: int = 0, **changes: object) -> GPTModel:
    """A model of CONFIG with changes, every parameter random, norms and biases too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GPTModel(replace(CONFIG, **changes)).eval().requires_grad_(False)
        for name, parameter in model.named_parameters():
            torch.nn.init.normal_(parameter, mean=float("scale" in name), std=0.2)
    return set_precision(model, precision)


def read(model: GPTModel, ids: Sequence[int], cuts: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
    """Hidden vectors (n, d) of ids and the logits (v,) after the last, read in pieces that end at the cuts."""
    reader = text_reader(model, len(ids))
    edges = [0, *cuts, len(ids)]
    try:
        pieces = [reader.read(ids[start:end]) for start, end in pairwise(edges)]
    finally:
        reader.close()
    return torch.cat([hidden for hidden, _ in pieces]), pieces[-1][1]


def by_modules(model: GPTModel, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The same by GPTModel's own forward pass."""
    with torch.inference_mode():
        hidden = model.hidden(torch.tensor([list(ids)]))[0]
        return hidden, model.out_head(hidden[-1]).float()


def assert_agrees(model: GPTModel, ids: list[int] = IDS, tolerance: float = 1e-4) -> None:
    """What is read is what the model's own modules compute."""
    for found, expected in zip(read(model, ids), by_modules(model, ids), strict=True):
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def same(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> bool:
    """Whether two readings are equal to the bit."""
    return all(map(torch.equal, found, expected))


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Inside, torch and the engine may use n threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)

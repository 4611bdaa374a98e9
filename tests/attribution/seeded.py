"""A small GPTModel that is the same on every machine, for comparing with recorded values."""

import hashlib
from dataclasses import dataclass

import torch

from gpt.config import GPTConfig
from gpt.model import GPTModel

CONFIG = GPTConfig(
    vocab_size=101,
    context_length=24,
    emb_dim=32,
    n_heads=4,
    n_layers=3,
    drop_rate=0.0,
    qkv_bias=True,
    tied_head=True,
)


@dataclass(frozen=True)
class Case:
    """A question to a model: why token_id, and not rival_id, after ids; other_ids are as long as ids."""

    ids: tuple[int, ...]
    other_ids: tuple[int, ...]
    token_id: int
    rival_id: int


CASE = Case(
    ids=(7, 30, 99, 12, 7, 30, 55, 0, 64, 81, 3),
    other_ids=(7, 30, 99, 41, 7, 30, 55, 0, 20, 81, 3),
    token_id=17,
    rival_id=88,
)


def seeded_model(config: GPTConfig = CONFIG, seed: int = 0) -> GPTModel:
    """A model whose every tensor, norms and biases too, is random and far from nothing.

    Whole numbers are drawn, and each is divided once: the same bits on every processor.
    """
    model = GPTModel(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        whole = torch.randint(-1000, 1001, parameter.shape, generator=generator)
        if name.endswith("scale"):
            parameter.copy_(1 + whole / 2500)
        else:
            parameter.copy_(whole / (2500 if parameter.dim() == 2 else 5000))
    return model


def digest(model: GPTModel) -> str:
    """SHA-256 of all weights."""
    numbers = hashlib.sha256()
    for parameter in model.parameters():
        numbers.update(parameter.detach().contiguous().numpy().tobytes())
    return numbers.hexdigest()

"""Small models that do not have GPT-2's vocabulary: one with a table of characters, one with nothing but ids."""

import json
from pathlib import Path

import torch

from gpt import GPTConfig, GPTModel, save_model
from gpt.seeding import seeded

CHARACTERS = "\n !',-.?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
N_IDS = 101


def with_characters(folder: Path) -> Path:
    """A model of characters, as nanoGPT's and minGPT's examples train them, with nothing that the chapter's has not."""
    _save(folder, GPTConfig(len(CHARACTERS), context_length=48, emb_dim=24, n_heads=2, n_layers=2))
    table = {character: token_id for token_id, character in enumerate(CHARACTERS)}
    (folder / "vocab.json").write_text(json.dumps(table))
    return folder


def with_ids(folder: Path) -> Path:
    """A model without any vocabulary, which is unlike the chapter's in all that a file can say."""
    config = GPTConfig(
        N_IDS, context_length=32, emb_dim=24, n_heads=3, n_layers=2, inner_dim=50, activation="gelu", norm_eps=1e-6
    )
    _save(folder, config)
    return folder


def _save(folder: Path, config: GPTConfig) -> None:
    with seeded(4):
        model = GPTModel(config).eval().requires_grad_(False)
        for name, parameter in model.named_parameters():
            torch.nn.init.normal_(parameter, mean=float("scale" in name), std=0.3)
    save_model(model, folder)

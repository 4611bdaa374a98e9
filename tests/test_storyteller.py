"""The bundled model is what its card says, and other tools open it."""

import json
import re
from pathlib import Path

import pytest
import torch
from transformers import GPT2LMHeadModel

from gpt import Tokenizer, load_model, next_token_table
from gpt.library import Library
from gpt.model_reference import STORYTELLER
from gpt.training.evaluation import heldout_loss
from gpt.training.held_out_windows import tokens_scored

FOLDER = Path(__file__).parents[1] / "assets" / STORYTELLER
TEXT = (FOLDER / "example.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def model():
    return load_model(FOLDER)


@pytest.fixture(scope="module")
def ids():
    return torch.tensor(Tokenizer().encode(TEXT))


def test_its_loss_on_a_text_of_the_projects_own_is_what_the_card_says(model, ids):
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    said = re.search(r"loss on example\.txt \| ([\d.]+) nats per token, over (\d+) tokens", card)
    assert said, "the card does not say it"
    assert int(said[2]) == tokens_scored(len(ids), model.config.context_length)
    assert heldout_loss(model, ids) == pytest.approx(float(said[1]), abs=0.002)


def test_transformers_opens_it_and_computes_the_same(model, ids):
    theirs = GPT2LMHeadModel.from_pretrained(FOLDER, dtype=torch.float32).eval()
    window = ids[None, : model.config.context_length]
    with torch.inference_mode():
        torch.testing.assert_close(model(window), theirs(window).logits, atol=2e-4, rtol=2e-4)


def test_it_is_small_and_shaped_like_gpt2(model):
    assert (FOLDER / "model.safetensors").stat().st_size <= 40_000_000
    config = model.config
    assert (config.vocab_size, config.qkv_bias, config.tied_head) == (50257, True, True)
    assert config.context_length >= 256
    assert json.loads((FOLDER / "config.json").read_text())["model_type"] == "gpt2"


def test_tokens_its_books_never_use_are_improbable(model, ids):
    rows, shared = model.tok_emb.weight.unique(dim=0, return_inverse=True)
    never = shared == shared.bincount(minlength=len(rows)).argmax()
    assert int(never.sum()) > 1000
    with torch.inference_mode():
        probabilities = model(ids[None, : model.config.context_length])[0].softmax(-1)
    assert float(probabilities[:, never].sum(-1).mean()) < 0.01


def test_it_writes_the_english_of_its_books(model):
    table = next_token_table(model, Tokenizer().encode("Once upon a"), n=1)
    assert Tokenizer().decode([table.tokens[0].token_id]) == " time"


def test_it_is_what_a_fresh_install_starts_with():
    library = Library()
    assert library.default == STORYTELLER
    assert library.models()[0].name == STORYTELLER

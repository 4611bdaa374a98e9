"""What save_model writes: transformers and load_model open it with equal logits, whatever the model computes."""

import json
import os
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoTokenizer, GPT2LMHeadModel

from gpt.config import GPTConfig
from gpt.files.model_folder import save_model
from gpt.files.weights import load_model
from gpt.model import GPTModel
from gpt.seeding import seeded

from .kinds_with_words import CHARACTERS, byte_level, rows
from .making import random_reference, reference_tensors, write

CONFIG = GPTConfig(71, 16, 48, 3, 2, 0.2)
OTHERS = {
    "the chapter's": {},
    "with query, key and value biases": {"qkv_bias": True},
    "tied": {"tied_head": True, "qkv_bias": True},
    "narrow": {"inner_dim": 80},
    "exact GELU": {"activation": "gelu"},
    "ReLU": {"activation": "relu"},
    "epsilon": {"norm_eps": 1e-3},
    "scores not divided": {"scale_by_head_dim": False},
    "scores divided by the layer": {"scale_by_layer": True},
    "rates": {"drop_rate_emb": 0.0, "drop_rate_shortcut": 0.3},
    "a rate that is said twice": {"drop_rate_attn": 0.2},
}


def random_model(**settings: object) -> GPTModel:
    with seeded(0):
        model = GPTModel(replace(CONFIG, **settings)).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False)


def some_ids(n: int = 71) -> torch.Tensor:
    return torch.randint(n, (2, 16), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_transformers_reopens_a_model_with_equal_logits(tmp_path, name, dtype):
    model = random_model(**OTHERS[name]).to(dtype)
    save_model(model, tmp_path / "new" / "folder")
    assert sorted(path.name for path in (tmp_path / "new/folder").iterdir()) == ["config.json", "model.safetensors"]
    reference = GPT2LMHeadModel.from_pretrained(tmp_path / "new/folder", dtype=torch.float32)
    ids = some_ids()
    torch.testing.assert_close(model.float()(ids), reference(ids).logits, atol=1e-4, rtol=0)
    rates = reference.config.embd_pdrop, reference.config.attn_pdrop, reference.config.resid_pdrop
    assert rates == model.config.drop_rates
    again = load_model(tmp_path / "new/folder")
    assert again.config == model.config
    torch.testing.assert_close(again(ids), model(ids), atol=1e-5, rtol=0)


def test_a_model_can_be_saved_over_the_file_it_is_mapped_from(tmp_path):
    write(tmp_path, reference_tensors(random_reference()))
    model = load_model(tmp_path)
    before = model(torch.tensor([[1, 2, 3]]))
    save_model(model, tmp_path)
    assert torch.equal(model(torch.tensor([[1, 2, 3]])), before)
    assert torch.equal(load_model(tmp_path)(torch.tensor([[1, 2, 3]])), before)


def test_a_save_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch):
    save_model(random_model(), tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_model(random_model(), tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_files_have_the_permissions_that_the_umask_leaves(tmp_path, umask):
    before = os.umask(umask)
    try:
        save_model(random_model(), tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~umask}


def test_a_vocabulary_is_saved_with_the_model_it_belongs_to(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    write(first, reference_tensors(random_reference(vocab_size=300)), n_head=1)
    byte_level().model.save(str(first))
    (first / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer", "eos_token": "!"}')
    model = load_model(first)
    save_model(model, second)
    again = load_model(second)
    text = "Every effort moves you! 😀"
    assert again.tokenizer.encode(text) == model.tokenizer.encode(text)
    assert again.tokenizer.end_of_text == model.tokenizer.end_of_text == model.tokenizer.encode("!")[0]
    assert json.loads((second / "config.json").read_text())["eos_token_id"] == model.tokenizer.end_of_text
    assert AutoTokenizer.from_pretrained(second)(text)["input_ids"] == model.tokenizer.encode(text)


def test_a_model_is_not_saved_beside_another_models_vocabulary(tmp_path):
    characters = rows(29, 29, vocab__json=CHARACTERS)(tmp_path / "characters").path
    gpt2 = load_model(rows(50257)(tmp_path / "gpt2").path)
    before = {path.name: path.read_bytes() for path in characters.iterdir()}
    with pytest.raises(ValueError, match=r"another model's vocabulary \(vocab.json\): choose another folder"):
        save_model(gpt2, characters)
    assert {path.name: path.read_bytes() for path in characters.iterdir()} == before
    (characters / "meta.pkl").write_bytes(b"not opened")
    save_model(load_model(characters), characters)
    assert load_model(characters).tokenizer.encode("a") == [3]
    (tmp_path / "gpt2" / "tokenizer_config.json").write_text('{"eos_token": "<|endoftext|>"}')
    save_model(gpt2, tmp_path / "gpt2")


def test_a_packed_model_is_not_saved(tmp_path):
    write(tmp_path, reference_tensors(random_reference()))
    with pytest.raises(ValueError, match="load it in float32"):
        save_model(load_model(tmp_path, "int8"), tmp_path)


def test_the_file_says_it_is_for_torch(tmp_path):
    save_model(random_model(), tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as opened:
        assert opened.metadata() == {"format": "pt"}
    assert set(load_file(tmp_path / "model.safetensors")) >= {"transformer.wte.weight", "lm_head.weight"}

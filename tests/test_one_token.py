"""The flat pass for one token gives what the model's own modules give, or stands aside."""

import copy

import pytest
import torch
from torch import nn

from gpt.cache import KVCache
from gpt.config import GPTConfig
from gpt.model import GPTModel
from gpt.one_token import one_token_reader
from gpt.precision import PRECISIONS, set_precision


def a_model(precision: str = "float32", qkv_bias: bool = True) -> GPTModel:
    torch.manual_seed(123)
    model = GPTModel(GPTConfig(101, 16, 64, 4, 3, qkv_bias=qkv_bias)).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))  # norms and biases too, so that each is seen to matter
    return set_precision(model, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_token_by_token_up_to_the_whole_context_as_the_modules_do(precision, qkv_bias):
    model = a_model(precision, qkv_bias)
    flat, modular = KVCache(model.config, 16), KVCache(model.config, 16)
    read = one_token_reader(model)
    assert read is not None
    for token_id in torch.randint(101, (16,)).tolist():
        with torch.inference_mode():
            expected = model.hidden(torch.tensor([[token_id]]), modular)[0]
        assert torch.equal(read(token_id, flat), expected)
    assert flat.length == 16


def test_a_plain_model_is_read_too():
    model = GPTModel(GPTConfig(101, 16, 64, 4, 3)).eval()
    read = one_token_reader(model)
    assert read is not None
    found = read(5, KVCache(model.config, 4))
    assert torch.equal(found, model.hidden(torch.tensor([[5]]))[0])


def test_a_model_that_trains_was_altered_or_is_watched_is_left_to_its_modules():
    model = a_model()
    assert one_token_reader(copy.deepcopy(model).train()) is None
    altered = copy.deepcopy(model)
    altered.trf_blocks[1].norm1 = nn.Identity()
    assert one_token_reader(altered) is None
    watched = copy.deepcopy(model)
    watched.final_norm.register_forward_hook(lambda *_: None)
    assert one_token_reader(watched) is None

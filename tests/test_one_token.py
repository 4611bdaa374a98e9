"""The compiled pass for one token gives what the model's own modules give, or stands aside."""

import copy
import shutil

import pytest
import torch
from torch import nn

from gpt import kernels
from gpt.cache import KVCache
from gpt.config import GPTConfig
from gpt.model import GPTModel
from gpt.one_token import one_token_reader
from gpt.precision import PRECISIONS, cache_dtype, set_precision

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


def a_model(precision: str = "float32", qkv_bias: bool = True) -> GPTModel:
    torch.manual_seed(123)
    model = GPTModel(GPTConfig(101, 16, 64, 4, 3, qkv_bias=qkv_bias)).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))  # norms and biases too, so that each is seen to matter
    return set_precision(model, precision)


def pass_by_modules(model: GPTModel, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model.hidden(torch.tensor([ids]))[0]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_token_by_token_up_to_the_whole_context_as_the_modules_do_at_once(precision, qkv_bias, monkeypatch):
    # A processor with products of bfloat16 numbers rounds their sums too.
    monkeypatch.setattr(kernels, "_bfloat16_kernel", lambda _: kernels._bfloat16_by_float32)
    model = a_model(precision, qkv_bias)
    ids = torch.randint(101, (16,)).tolist()
    cache = KVCache(model.config, 16, dtype=cache_dtype(model))
    read = one_token_reader(model)
    assert read is not None
    found = torch.cat([read(token_id, cache) for token_id in ids])
    expected = pass_by_modules(model, ids)
    # What is rounded to bfloat16 on the way may fall on either side.
    tolerance = 1e-5 if precision == "float32" else 2e-3
    assert (found - expected).norm() <= tolerance * expected.norm()
    assert cache.length == 16


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_the_number_of_threads_changes_nothing(n_threads):
    model = a_model()
    read = one_token_reader(model)
    before = torch.get_num_threads()
    found = []
    for n in (before, n_threads):
        torch.set_num_threads(n)
        found.append(read(5, KVCache(model.config, 4)))
    torch.set_num_threads(before)
    assert torch.equal(*found)


@pytest.mark.parametrize("sizes", [(101, 16, 60, 5, 2), (53, 8, 33, 3, 1), (300, 12, 272, 17, 2)])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_sizes_that_fit_no_vector(sizes, precision):
    torch.manual_seed(1)
    model = set_precision(GPTModel(GPTConfig(*sizes)).eval().requires_grad_(False), precision)
    cache = KVCache(model.config, 8, dtype=cache_dtype(model))
    read = one_token_reader(model)
    found = torch.cat([read(token_id, cache) for token_id in range(8)])
    expected = pass_by_modules(model, list(range(8)))
    assert (found - expected).norm() <= 5e-3 * expected.norm()


def test_a_plain_model_is_read_too():
    model = GPTModel(GPTConfig(101, 16, 64, 4, 3)).eval()
    read = one_token_reader(model)
    assert read is not None
    found = read(5, KVCache(model.config, 4))
    torch.testing.assert_close(found, pass_by_modules(model, [5]), atol=1e-5, rtol=1e-5)
    assert not found.requires_grad


def test_a_model_that_trains_is_read_without_dropout():
    model = a_model()
    expected = one_token_reader(model)(5, KVCache(model.config, 4))
    assert torch.equal(one_token_reader(model.train())(5, KVCache(model.config, 4)), expected)


def test_weights_that_lie_the_other_way_round_are_read_as_they_lie():
    model = a_model()
    expected = one_token_reader(model)(5, KVCache(model.config, 4))
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(module.weight.t().contiguous().t(), requires_grad=False)
    found = one_token_reader(model)(5, KVCache(model.config, 4))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_numbers_that_are_not_finite_do_not_pass_for_finite_ones():
    model = a_model()
    model.tok_emb.weight[7, 3] = torch.nan
    cache = KVCache(model.config, 4)
    read = one_token_reader(model)
    assert read(7, cache).isnan().all()
    assert read(8, cache).isnan().all()  # it looks back at the token before


def test_a_model_in_another_format_is_left_to_its_modules():
    assert one_token_reader(GPTModel(GPTConfig(101, 16, 64, 4, 3)).eval().bfloat16()) is None


def test_a_model_whose_vectors_would_not_fit_the_stack_is_left_to_its_modules():
    assert one_token_reader(GPTModel(GPTConfig(11, 2**16, 16, 2, 1)).eval()) is None


def test_without_a_compiler_there_is_no_reader(monkeypatch):
    monkeypatch.setattr("gpt.compiled.compiled_library", lambda: None)
    assert one_token_reader(a_model()) is None


def test_a_model_that_was_altered_or_is_watched_is_left_to_its_modules():
    model = a_model()
    altered = copy.deepcopy(model)
    altered.trf_blocks[1].norm1 = nn.Identity()
    assert one_token_reader(altered) is None
    watched = copy.deepcopy(model)
    watched.final_norm.register_forward_hook(lambda *_: None)
    assert one_token_reader(watched) is None

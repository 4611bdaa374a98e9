"""A model packed for another precision computes nearly the same, and everything built on models still works."""

import copy

import pytest
import torch

from gpt.config import GPTConfig
from gpt.model import GPTModel
from gpt.precision import (
    PRECISIONS,
    Float32Linear,
    PackedLinear,
    cache_dtype,
    set_precision,
    unpacked,
    weight_bytes,
)

CONFIG = GPTConfig(vocab_size=101, context_length=32, emb_dim=64, n_heads=2, n_layers=2, qkv_bias=True)


def a_model(tied: bool = False) -> GPTModel:
    torch.manual_seed(123)
    return GPTModel(GPTConfig(**{**vars(CONFIG), "tied_head": tied})).eval().requires_grad_(False)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-6), ("bfloat16", 0.02), ("int8", 0.02)])
def test_every_precision_gives_nearly_the_same_logits(precision, tolerance, tied):
    ids = torch.randint(101, (2, 9))
    expected = a_model(tied)(ids)
    model = set_precision(a_model(tied), precision)
    logits = model(ids)
    assert model.precision == precision
    assert logits.dtype == torch.float32
    assert (logits - expected).norm() <= tolerance * expected.norm()


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("has_compiler", [True, False])
class TestPackedLinear:
    @pytest.fixture(autouse=True)
    def compiler(self, has_compiler, monkeypatch):
        if not has_compiler:
            monkeypatch.setattr("gpt.compiled.compiled_library", lambda: None)

    def test_zeros_give_the_bias(self, precision, rows):
        bias = torch.randn(5)
        layer = PackedLinear(torch.randn(5, 7), bias, precision)
        assert torch.equal(layer(torch.zeros(rows, 7)), bias.expand(rows, 5))
        layer = PackedLinear(torch.zeros(5, 7), bias, precision)
        assert torch.equal(layer(torch.randn(rows, 7)), bias.expand(rows, 5))

    def test_numbers_that_are_not_finite_do_not_pass_for_finite_ones(self, precision, rows):
        x = torch.randn(rows, 7)
        x[0, 3] = torch.nan
        assert PackedLinear(torch.randn(5, 7), None, precision)(x)[0].isnan().all()

    def test_a_row_does_not_depend_on_the_rows_beside_it(self, precision, rows):
        layer = PackedLinear(torch.randn(20, 64), torch.randn(20), precision)
        x = torch.randn(rows, 64)
        crowd = torch.cat([x, 1000 * torch.randn(4, 64)])
        torch.testing.assert_close(layer(crowd)[:rows], layer(x), atol=0.05, rtol=0.01)


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_a_cache_of_bfloat16_numbers_loses_nothing(precision):
    model = set_precision(a_model(), precision)
    assert cache_dtype(model) is torch.bfloat16
    for x in (torch.randn(1, 1, 64), torch.randn(1, 3, 64)):
        _, keys, values = model.trf_blocks[0].att.split_heads(model.trf_blocks[0].att.W_qkv(x))
        for each in (keys, values):
            assert torch.equal(each.bfloat16().float(), each)


def test_halves_are_used_only_while_they_are_the_weight():
    layer = Float32Linear(torch.randn(5, 8).bfloat16().float(), None)
    x = torch.randn(8)
    before = layer(x)
    layer.keep_halves()
    assert layer.handed_over().weight != layer.weight.data_ptr()
    torch.testing.assert_close(layer(x), before, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        layer.weight.mul_(2)
    torch.testing.assert_close(layer(x), 2 * before, atol=1e-5, rtol=1e-5)
    layer.weight = torch.nn.Parameter(torch.zeros(5, 8), requires_grad=False)
    assert not layer(x).any()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_copies_compute_the_same(precision):
    model = set_precision(a_model(), precision)
    ids = torch.randint(101, (1, 5))
    assert torch.equal(copy.deepcopy(model)(ids), model(ids))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_unpacked_layers_hold_the_packed_weights_and_have_gradients(precision):
    model = set_precision(a_model(), precision)
    x = torch.randn(3, 64, requires_grad=True)
    layer = model.trf_blocks[0].att.W_qkv
    twin = unpacked(layer)
    y = twin(x)
    assert (y - layer(x.detach())).norm() <= 0.02 * y.norm()
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient, twin.weight.sum(0).expand(3, 64))
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_float32_layers_have_gradients_when_somebody_wants_them():
    plain, model = a_model().requires_grad_(), set_precision(a_model().requires_grad_(), "float32")
    ids = torch.randint(101, (1, 5))
    for each in (plain, model):
        each(ids).square().mean().backward()
    for expected, found in zip(plain.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(found.grad, expected.grad)


@pytest.mark.parametrize("tied", [True, False])
def test_weight_bytes_count_every_number_once(tied):
    config = a_model(tied).config
    matrices = 12 * config.n_layers * config.emb_dim**2
    head = config.vocab_size * config.emb_dim
    rest = sum(parameter.numel() for parameter in a_model(tied).parameters()) - matrices - (0 if tied else head)
    assert weight_bytes(a_model(tied)) == 4 * (matrices + rest + (0 if tied else head))
    assert weight_bytes(set_precision(a_model(tied), "bfloat16")) == 2 * (matrices + head) + 4 * rest
    scales = 9 * config.n_layers * config.emb_dim + config.vocab_size
    assert weight_bytes(set_precision(a_model(tied), "int8")) == matrices + head + 4 * (rest + scales)


def test_unknown_and_repeated_packing_are_refused():
    with pytest.raises(ValueError, match="choose one of float32, bfloat16, int8"):
        set_precision(a_model(), "float8")
    with pytest.raises(ValueError, match="packed in int8 already"):
        set_precision(set_precision(a_model(), "int8"), "bfloat16")

"""A model packed for another precision computes nearly the same, and everything built on models still works."""

import copy

import pytest
import torch

from gpt.config import GPTConfig
from gpt.engine import precision as module
from gpt.engine.precision import (
    PRECISIONS,
    PackedLinear,
    cache_dtype,
    pack,
    set_precision,
    to_int8,
    to_steps,
    unpacked,
)
from gpt.model import GPTModel

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
            monkeypatch.setattr(module, "compiled_library", lambda: None)

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


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_torch_packs_what_the_library_packs(precision, monkeypatch):
    weight = torch.randn(70, 37)
    layer = PackedLinear(weight, None, precision)
    monkeypatch.setattr(module, "compiled_library", lambda: None)
    assert torch.equal(PackedLinear(weight, None, precision).panels, layer.panels)


def test_the_largest_of_a_row_takes_all_levels_and_all_steps():
    weight = torch.tensor([[0.5, -2.0, 1.0], [0.0, 0.0, 0.0], [3e-39, 0.0, 0.0]])
    whole, scale = to_int8(weight)
    assert whole.tolist()[:2] == [[32, -127, 64], [0, 0, 0]]
    torch.testing.assert_close(whole * scale[:, None], weight, atol=1e-2, rtol=0)
    x = torch.tensor([[1.0, -0.5, 1 / 16383, 0.4 / 16383]])
    assert torch.equal((to_steps(x) * 16383).round(), torch.tensor([[16383.0, -8192.0, 1.0, 0.0]]))
    assert torch.equal(to_steps(torch.zeros(2, 3)), torch.zeros(2, 3))


@pytest.mark.parametrize("out", [31, 33, 2049, 4100])  # layers are made float32 some panels at a time
def test_a_layer_of_many_outputs_multiplies_all_of_them(out):
    weight, bias, x = torch.randn(out, 5), torch.randn(out), torch.randn(3, 5)
    expected = torch.nn.functional.linear(x.bfloat16().float(), weight.bfloat16().float(), bias)
    torch.testing.assert_close(PackedLinear(weight, bias, "bfloat16")(x), expected)


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


def test_float32_keeps_the_tensors():
    weight, bias = torch.nn.Parameter(torch.randn(5, 7)), torch.randn(5)
    layer = pack("expand", weight, bias, "float32")
    assert layer.weight is weight
    assert layer.bias.data_ptr() == bias.data_ptr()
    assert not layer.bias.requires_grad
    assert pack("expand", weight, None, "float32").bias is None


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_a_weight_is_kept_once(precision):
    model = set_precision(a_model(), precision)
    layers = [each for each in model.modules() if isinstance(each, PackedLinear)]
    size = 2 if precision == "bfloat16" else 1
    for layer in layers:
        assert layer.panels.nbytes == size * -(-layer.out_features // 32) * 32 * layer.in_features
    assert len(layers) == 4 * CONFIG.n_layers + 1
    assert not any("weight" in name and "emb" not in name for name in model.state_dict())


def test_unknown_and_repeated_packing_are_refused():
    with pytest.raises(ValueError, match="choose one of float32, bfloat16, int8"):
        set_precision(a_model(), "float8")
    with pytest.raises(ValueError, match="packed in int8 already"):
        set_precision(set_precision(a_model(), "int8"), "bfloat16")


def test_packed_weights_ask_for_no_gradients_where_those_they_were_packed_from_do():
    for precision in PRECISIONS[1:]:
        layer = pack("out_head", torch.nn.Parameter(torch.randn(64, 32)), None, precision)
        assert not layer(torch.ones(1, 32)).requires_grad

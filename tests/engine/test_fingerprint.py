"""An altered model is read as its own modules read it, and a new text sees every change of the weights."""

import copy

import pytest
import torch
from torch import nn

from gpt.engine.packed_model import packed_model
from gpt.engine.precision import PRECISIONS
from gpt.engine.text_reader import ModuleReader, text_reader
from gpt.model import GELU, GPTModel, LayerNorm

from .changes import READABLE, copy_state
from .tiny import CONFIG, IDS, a_model, assert_agrees, needs_library, read, same

pytestmark = needs_library


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_single_number_of_a_vector_that_torch_does_not_count_is_seen_by_a_new_text(precision):
    model = a_model(precision)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.dim() == 1:
            before = read(model, IDS)
            tensor.data[5] += 1
            assert not same(read(model, IDS), before), name
    assert_agrees(model, tolerance=1e-4 if precision == "float32" else 0.05)


@pytest.mark.parametrize("change", [*READABLE.values(), copy_state], ids=[*READABLE, "copy"])
def test_a_new_text_sees_the_change(change):
    model = a_model()
    before = read(model, IDS)
    change(model)
    assert not same(read(model, IDS), before)
    assert_agrees(model, tolerance=0.01 if model.precision == "int8" else 1e-4)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_single_weight_matters_and_its_replacement_is_seen(precision):
    model = a_model(precision)
    before = read(model, IDS)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        kept = tensor.data
        tensor.data = kept.clone().zero_()
        assert not same(read(model, IDS), before), name
        tensor.data = kept
        assert same(read(model, IDS), before), name


def test_weights_that_come_to_lie_where_old_ones_lay_are_seen():
    model = a_model()
    parameter = model.trf_blocks[0].ff.layers[0].weight
    for place in range(1, 30):  # whatever the allocator gives again
        numbers = parameter.data.clone()
        numbers[5, place] += 1 + place
        parameter.data = numbers
        del numbers
        parameter.data = parameter.data.clone()
        assert_agrees(model)


# Altered models


def other_eps(model: GPTModel) -> None:
    model.trf_blocks[1].norm2.eps = 0.7


def other_divisor(model: GPTModel) -> None:
    model.trf_blocks[1].att.divisor = 3.0


def hook(model: GPTModel) -> None:
    model.trf_blocks[0].ff.register_forward_hook(lambda *arguments: 2 * arguments[-1])


def pre_hook(model: GPTModel) -> None:
    model.trf_blocks[0].ff.register_forward_pre_hook(lambda _, given: (2 * given[0],))


def hook_with_keywords(model: GPTModel) -> None:
    model.final_norm.register_forward_hook(
        lambda _, given, named, made: made + len(given) + len(named), with_kwargs=True
    )


def foreign_norm(model: GPTModel) -> None:
    model.trf_blocks[1].norm1 = nn.Identity()


def foreign_activation(model: GPTModel) -> None:
    model.trf_blocks[0].ff.layers[1] = nn.Tanh()


def two_activations(model: GPTModel) -> None:
    model.trf_blocks[0].ff.layers[1] = nn.ReLU()


def foreign_head(model: GPTModel) -> None:
    model.out_head = nn.Sequential(nn.Linear(CONFIG.emb_dim, CONFIG.vocab_size), nn.Tanh()).requires_grad_(False)


def own_forward(model: GPTModel) -> None:
    block = model.trf_blocks[1]
    block.forward = lambda x, _=None: x + 1


def own_hidden(model: GPTModel) -> None:
    hidden = model.hidden
    model.hidden = lambda *given: hidden(*given) * 2


def own_embedding(model: GPTModel) -> None:
    embed = model.embed
    model.embed = lambda *given: embed(*given) * 2


def own_mixing(model: GPTModel) -> None:
    attention = model.trf_blocks[0].att
    mix = attention._mix
    attention._mix = lambda *given: mix(*given) * 2


def subclass(model: GPTModel) -> None:
    class Doubled(GELU):
        def forward(self, x):
            return 2 * super().forward(x)

    for block in model.trf_blocks:
        block.ff.layers[1] = Doubled()


def wanted_gradient(model: GPTModel) -> None:
    model.trf_blocks[1].ff.layers[2].bias.requires_grad_()


def training(model: GPTModel) -> None:
    model.requires_grad_()


def one_block_less(model: GPTModel) -> None:
    del model.trf_blocks[1]


def narrower_inside(model: GPTModel) -> None:
    expand, _, contract = model.trf_blocks[1].ff.layers
    model.trf_blocks[1].ff.layers[0] = resized(expand, 20, CONFIG.emb_dim)
    model.trf_blocks[1].ff.layers[2] = resized(contract, CONFIG.emb_dim, 20)


def wider_inside(model: GPTModel) -> None:
    expand, _, contract = model.trf_blocks[1].ff.layers
    model.trf_blocks[1].ff.layers[0] = resized(expand, 500, CONFIG.emb_dim)
    model.trf_blocks[1].ff.layers[2] = resized(contract, CONFIG.emb_dim, 500)


def resized(_: nn.Linear, out: int, n_in: int) -> nn.Linear:
    return nn.Linear(n_in, out).requires_grad_(False)


def no_shift(model: GPTModel) -> None:
    model.trf_blocks[0].norm1.shift = None


def no_blocks(model: GPTModel) -> None:
    model.trf_blocks = nn.ModuleList()


def shortcut_through_relu(model: GPTModel) -> None:
    model.trf_blocks[0].drop_shortcut = nn.ReLU()


def dropout_everywhere(model: GPTModel) -> None:
    model.trf_blocks[0].norm1 = model.final_norm = nn.Dropout().eval()


def dropout_as_activation(model: GPTModel) -> None:
    for block in model.trf_blocks:
        block.ff.layers[1] = nn.Dropout().eval()


def dropout_as_norm(model: GPTModel) -> None:
    model.final_norm = nn.Dropout().eval()


def larger_head(model: GPTModel) -> None:
    model.out_head = nn.Linear(CONFIG.emb_dim, 3 * CONFIG.vocab_size, bias=False).requires_grad_(False)


def head_with_bias(model: GPTModel) -> None:
    model.out_head = nn.Linear(CONFIG.emb_dim, CONFIG.vocab_size).requires_grad_(False)


def one_bias_for_all(model: GPTModel) -> None:
    model.trf_blocks[0].ff.layers[0].bias = nn.Parameter(torch.tensor([0.5]), requires_grad=False)


def one_scale_for_all(model: GPTModel) -> None:
    model.out_head.scale = torch.tensor([0.01])


def norm_of_scalars(model: GPTModel) -> None:
    model.final_norm = LayerNorm(CONFIG.emb_dim)
    model.final_norm.shift = nn.Parameter(torch.tensor(2.0), requires_grad=False)


def longest_rows(model: GPTModel) -> None:
    model.tok_emb.max_norm = 0.5


def transposed(model: GPTModel) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight = nn.Parameter(module.weight.t().contiguous().t(), requires_grad=False)


def with_gaps(model: GPTModel) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            wide = module.weight.repeat_interleave(2, 1)
            module.weight = nn.Parameter(wide[:, ::2], requires_grad=False)


def sparse_weight(model: GPTModel) -> None:
    expand = model.trf_blocks[0].ff.layers[0]
    expand.weight = nn.Parameter(expand.weight.to_sparse(), requires_grad=False)


def negated_when_read(model: GPTModel) -> None:
    numbers = torch.complex(torch.zeros_like(model.out_head.weight), model.out_head.weight)
    model.out_head.weight = nn.Parameter(numbers.conj().imag, requires_grad=False)


def weight_of_its_own_class(model: GPTModel) -> None:
    class Doubled(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, given=(), named=None):
            made = super().__torch_function__(function, types, given, named)
            return 2 * made if function is nn.functional.linear else made

    model.out_head.weight = nn.Parameter(model.out_head.weight.detach().as_subclass(Doubled), requires_grad=False)


def head_of_rows(model: GPTModel) -> None:
    class OfRows(nn.Linear):
        """As torch's own quantized layers, it takes no vector by itself."""

        def forward(self, x):
            assert x.dim() > 1
            return super().forward(x)

    model.out_head = OfRows(CONFIG.emb_dim, CONFIG.vocab_size).requires_grad_(False)


def tied_head(model: GPTModel) -> None:
    model.out_head.weight = model.tok_emb.weight


def bias_added_to_the_head(model: GPTModel) -> None:
    model.out_head.bias = nn.Parameter(torch.ones(CONFIG.vocab_size), requires_grad=False)


def of_bfloat16_numbers(model: GPTModel) -> None:
    for parameter in model.parameters():
        parameter.copy_(parameter.bfloat16())


ALTERATIONS = [
    other_eps, other_divisor, hook, pre_hook, hook_with_keywords, foreign_norm, foreign_activation, two_activations,
    foreign_head, own_forward, own_hidden, own_embedding, own_mixing, subclass, wanted_gradient, training,
    one_block_less, narrower_inside, wider_inside, larger_head, no_shift,
    no_blocks, shortcut_through_relu, dropout_everywhere,
    dropout_as_activation, dropout_as_norm, head_with_bias, one_bias_for_all,
    longest_rows, transposed, with_gaps, of_bfloat16_numbers,
    sparse_weight, negated_when_read, weight_of_its_own_class, head_of_rows, tied_head, bias_added_to_the_head,
]  # fmt: skip


@pytest.mark.parametrize("is_packed_before", [True, False])
@pytest.mark.parametrize("alter", ALTERATIONS, ids=lambda alter: alter.__name__)
def test_an_altered_model_is_read_as_its_modules_read_it(alter, is_packed_before):
    model = a_model()
    if is_packed_before:
        packed_model(model)
    alter(model)
    modules = ModuleReader(model, len(IDS)).read(IDS)
    for found, expected in zip(read(model, IDS), modules, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kind", "name"), [(GELU, "forward"), (LayerNorm, "forward"), (GPTModel, "embed")])
def test_a_class_whose_method_was_replaced_is_read_by_its_modules(kind, name, monkeypatch):
    model, before = a_model(), getattr(kind, name)
    plain = read(model, IDS)
    with monkeypatch.context() as patch:
        patch.setattr(kind, name, lambda *given: 0.5 * before(*given))
        assert isinstance(text_reader(model, 5), ModuleReader)
        assert_agrees(model)
        assert not same(read(model, IDS), plain)
    assert same(read(model, IDS), plain)


@pytest.mark.parametrize("register", ["register_module_forward_hook", "register_module_forward_pre_hook"])
def test_a_hook_on_every_module_is_called(register):
    model, seen = a_model(), []
    packed_model(model)
    handle = getattr(nn.modules.module, register)(lambda module, *_: seen.append(type(module)))
    try:
        read(model, IDS)
    finally:
        handle.remove()
    assert GPTModel not in seen  # its forward is not what is called
    assert {nn.Linear, LayerNorm, GELU} <= set(seen)


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_an_altered_packed_layer_is_read_as_its_module_reads_it(precision):
    for alter in [one_scale_for_all, lambda model: model.float()]:
        model = a_model(precision)
        if alter is one_scale_for_all and precision == "bfloat16":
            continue
        alter(model)
        modules = ModuleReader(copy.deepcopy(model), len(IDS)).read(IDS)
        for found, expected in zip(read(model, IDS), modules, strict=True):
            assert (found.float() - expected.float()).norm() <= 0.01 * expected.float().norm()


def test_ids_that_only_the_head_knows_are_refused():
    model = a_model()
    larger_head(model)
    for reader in (text_reader(model, 5), ModuleReader(model, 5)):
        with pytest.raises(ValueError, match="150 is not a token"):
            reader.read([150])

"""A packed model is read as its modules would read it, and a text goes on with the weights it began with."""

import copy
import gc
import weakref
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from torch import nn

from gpt.engine.packed_model import held_bytes, packed_model
from gpt.engine.precision import PRECISIONS, weight_bytes
from gpt.generation import generate
from gpt.library import Library
from gpt.model import GPTModel, LayerNorm
from gpt.model_reference import STORYTELLER

from .changes import CHANGES
from .tiny import CONFIG, IDS, a_model, assert_agrees, by_modules, needs_library, read

pytestmark = needs_library


def steps_of(model: GPTModel, n: int = 12) -> list[object]:
    return list(generate(model, IDS, n, temperature=0.9, seed=5))


# Agreement with the modules


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"qkv_bias": False},
        {"tied_head": True},
        {"activation": "gelu"},
        {"activation": "relu"},
        {"norm_eps": 0.3},
        {"scale_by_head_dim": False},
        {"scale_by_layer": True, "n_layers": 3},
        {"inner_dim": 37},
        {"inner_dim": 1},
        {"n_heads": 1},
        {"n_heads": 42},
        {"emb_dim": 1, "n_heads": 1},
        {"emb_dim": 33, "n_heads": 1},
        {"vocab_size": 1009},
    ],
    ids=str,
)
def test_every_kind_of_model_agrees_with_its_modules(changes):
    model = a_model(**changes)
    assert packed_model(model) is not None
    assert_agrees(model, [token_id % model.config.vocab_size for token_id in IDS])


def test_a_context_of_one_token():
    model = a_model(context_length=1)
    assert_agrees(model, [7])
    assert len(list(generate(model, [7], 3))) == 3


def test_a_vocabulary_of_one_token():
    assert_agrees(a_model(vocab_size=1), [0, 0, 0])


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@pytest.mark.parametrize("activation", ["gelu_tanh", "gelu", "relu"])
def test_packed_layers_nearly_agree_with_their_modules(precision, activation):
    model = a_model(precision, activation=activation)
    for found, expected in zip(read(model, IDS), by_modules(model, IDS), strict=True):
        # What is rounded on the way may fall on either side.
        assert (found - expected).norm() <= 0.01 * expected.norm()


def test_the_bundled_model_agrees_with_its_modules():
    model = Library(STORYTELLER).get().model
    ids = [step.token_id for step in generate(model, [6109, 3626, 6100, 345], 60, seed=1)]
    found, expected = read(model, ids)[1], by_modules(model, ids)[1]
    if model.precision == "float32":
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (found - expected).norm() <= 0.01 * expected.norm()


# A change between two tokens of a text


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_running_text_stays_what_it_was(precision, change):
    expected = steps_of(a_model(precision))
    model = a_model(precision)
    running = generate(model, IDS, 12, temperature=0.9, seed=5)
    begun = [next(running) for _ in range(4)]
    change(model)
    gc.collect()
    rubbish = [torch.full((10_000,), torch.nan) for _ in range(20)]  # into memory that was let go
    assert begun + list(running) == expected
    assert len(rubbish) == 20


def add_one(tensor: torch.Tensor) -> None:
    tensor.data.add_(1)


def let_go(tensor: torch.Tensor) -> None:
    with suppress(RuntimeError):  # memory that cannot be let go
        tensor.untyped_storage().resize_(0)


def move(tensor: torch.Tensor) -> None:
    tensor.share_memory_()


@pytest.mark.parametrize("hurt", [add_one, let_go, move])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_running_text_reads_its_own_numbers_whatever_is_done_to_those_of_the_model(precision, hurt):
    expected = steps_of(a_model(precision))
    model = a_model(precision)
    running = generate(model, IDS, 12, temperature=0.9, seed=5)
    begun = [next(running) for _ in range(4)]
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if not (hurt is add_one and "panels" in name):
            hurt(tensor)
    rubbish = [torch.full((10_000,), torch.nan) for _ in range(20)]  # into memory that was let go
    assert begun + list(running) == expected
    assert len(rubbish) == 20


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@pytest.mark.parametrize("write", [lambda panels: panels.mul_(2), add_one, lambda panels: panels[0, 0, 0].zero_()])
def test_a_running_text_ends_when_the_panels_are_written_to_that_it_shares(precision, write):
    model = a_model(precision)
    running = generate(model, IDS, 12, temperature=0.9, seed=5)
    next(running)
    write(model.trf_blocks[1].ff.layers[0].panels)
    with pytest.raises(ValueError, match=r"packed weights were written to while this text was read: begin it again\."):
        next(running)
    assert len(steps_of(model)) == 12


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_the_panels_of_a_copied_model_are_kept_too(precision):
    expected, model = steps_of(a_model(precision)), copy.deepcopy(a_model(precision))
    running = generate(model, IDS, 12, temperature=0.9, seed=5)
    begun = [next(running)]
    for tensor in model.buffers():
        tensor.data.add_(1)
        tensor.untyped_storage().resize_(0)
    assert begun + list(running) == expected


@pytest.mark.parametrize("is_altered", [True, False])
def test_a_model_whose_numbers_are_gone_is_refused(is_altered):
    model = a_model()
    if is_altered:
        model.final_norm.register_forward_hook(lambda *_: None)
    running = generate(model, IDS, 12)
    next(running)
    model.trf_blocks[0].ff.layers[0].weight.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match=r"ff\.layers\.0\.weight are no longer in memory: load the model again"):
        list(running if is_altered else generate(model, IDS, 12))


def test_the_same_weights_are_packed_once():
    model = a_model()
    assert packed_model(model) is packed_model(model)


def test_a_model_that_nobody_holds_is_let_go():
    model = a_model()
    packed = weakref.ref(packed_model(model))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert packed() is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda model: setattr(model, "final_norm", LayerNorm(7)),
        lambda model: setattr(model.trf_blocks[0], "norm1", LayerNorm(7)),
        lambda model: setattr(model.final_norm, "scale", None),
        lambda model: setattr(model.trf_blocks[1].ff.layers, "0", nn.Linear(500, 168)),
        lambda model: setattr(model.trf_blocks[1].ff.layers, "2", nn.Linear(500, 42)),
        lambda model: setattr(model.trf_blocks[0].att, "W_qkv", nn.Linear(42, 84)),
        lambda model: setattr(model.trf_blocks[0].att, "out_proj", nn.Linear(42, 420)),
        lambda model: setattr(model, "out_head", nn.Linear(420, 101)),
        lambda model: setattr(model, "pos_emb", nn.Embedding(40, 7)),
        lambda model: setattr(model, "tok_emb", nn.Embedding(101, 7)),
        lambda model: setattr(model.trf_blocks[0].ff.layers[0], "bias", nn.Parameter(torch.zeros(5))),
        lambda model: model.trf_blocks.append(nn.Dropout()),
        lambda model: setattr(model.trf_blocks[0], "att", nn.Dropout()),
        lambda model: model.trf_blocks[0].ff.layers.append(nn.ReLU()),
        lambda model: setattr(model.trf_blocks[0].att, "n_heads", 0),
        lambda model: setattr(model.trf_blocks[0].att, "n_heads", 6),
        lambda model: setattr(model.trf_blocks[0].att, "n_heads", 5),
    ],
)
def test_parts_that_do_not_fit_together_are_an_error_and_no_crash(spoil):
    model = a_model()
    spoil(model)
    with pytest.raises((RuntimeError, ValueError, TypeError, AttributeError, ZeroDivisionError)):
        read(model, IDS)


# Bytes


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_bytes_count_all_that_is_held_and_everything_once(precision, tied):
    model = a_model(precision, tied_head=tied)
    own = {each.data_ptr(): each.nbytes for each in (*model.parameters(), *model.buffers())}
    assert weight_bytes(model) == held_bytes(model) == sum(own.values())
    packed = packed_model(model)
    kept = {each.data_ptr(): each.nbytes for each in packed.kept if isinstance(each, torch.Tensor)}
    assert weight_bytes(model) == sum(own.values())
    assert held_bytes(model) == sum((own | kept).values())
    assert sum((own | kept).values()) > sum(own.values())


def test_a_larger_model_than_the_estimate_knows_is_counted_too():
    plain, tied = a_model(), a_model(tied_head=True)
    assert held_bytes(plain) - held_bytes(tied) == 4 * CONFIG.vocab_size * CONFIG.emb_dim
    assert replace(plain.config, tied_head=True) == tied.config

"""Section 4.4: gradients with and without shortcuts."""

import pytest
import torch
from torch.nn import functional as F

from gpt.chapter.shortcuts import DeepNetwork, block_gradients, chapter_gradients
from gpt.config import GPTConfig
from gpt.engine.precision import PRECISIONS, set_precision
from gpt.model import GPTModel

IDS = [3, 1, 4, 1, 5, 9]


@pytest.fixture
def model():
    torch.manual_seed(123)
    config = GPTConfig(vocab_size=97, context_length=8, emb_dim=32, n_heads=4, n_layers=3, drop_rate=0.1)
    return GPTModel(config).eval().requires_grad_(False)


# Printed in section 4.4.
WITHOUT = (
    0.00020173587836325169,
    0.00012011159560643137,
    0.0007152039906941354,
    0.0013988736318424344,
    0.005049645435065031,
)
WITH = (0.22169792652130127, 0.20694106817245483, 0.32896995544433594, 0.2665732204914093, 1.3258540630340576)


@pytest.mark.parametrize(("shortcuts", "printed"), [(False, WITHOUT), (True, WITH)])
def test_gradients_of_the_chapters_network_to_six_digits(shortcuts, printed):
    assert [f"{g:.6g}" for g in chapter_gradients(shortcuts)] == [f"{g:.6g}" for g in printed]


def test_the_chapters_network_has_the_weights_of_the_global_seed():
    torch.manual_seed(123)
    expected = [torch.nn.Linear(3, 3) for _ in range(2)]
    for layer, linear in zip(DeepNetwork(True).layers, expected, strict=False):
        assert torch.equal(layer[0].weight, linear.weight)
        assert torch.equal(layer[0].bias, linear.bias)


def test_the_chapters_network_leaves_the_global_seed_alone():
    state = torch.get_rng_state()
    chapter_gradients(True)
    assert torch.equal(state, torch.get_rng_state())


def _autograd(model, shortcuts):
    """Loss, and norm of each block's weight matrices, by differentiating the whole model at once."""
    model.requires_grad_()
    ids = torch.tensor([IDS])
    x = model.tok_emb(ids[:, :-1]) + model.pos_emb(torch.arange(len(IDS) - 1))
    for block in model.trf_blocks:
        for norm, part in ((block.norm1, block.att), (block.norm2, block.ff)):
            x = x + part(norm(x)) if shortcuts else part(norm(x))
    loss = F.cross_entropy(model.out_head(model.final_norm(x))[0], ids[0, 1:])
    loss.backward()
    matrices = [[p.grad.flatten() for p in block.parameters() if p.dim() == 2] for block in model.trf_blocks]
    return loss.item(), [torch.cat(gradients).norm().item() for gradients in matrices]


@pytest.mark.parametrize("shortcuts", [True, False])
def test_block_gradients_equal_autograd_through_the_whole_model(model, shortcuts):
    with_them, without = block_gradients(model, IDS)
    found = with_them if shortcuts else without
    loss, norms = _autograd(model, shortcuts)
    assert found.loss == pytest.approx(loss, rel=1e-6)
    assert found.norms == pytest.approx(norms, rel=1e-5)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_block_gradients_of_a_packed_model_are_close_to_those_of_a_plain_one(model, precision):
    exact = block_gradients(model, IDS)
    packed = block_gradients(set_precision(model, precision), IDS)
    for found, expected in zip(packed, exact, strict=True):
        assert found.loss == pytest.approx(expected.loss, rel=0.02)
        assert found.norms == pytest.approx(expected.norms, rel=0.05)


def test_block_gradients_leave_the_model_as_it_was(model):
    before = model(torch.tensor([IDS]))
    block_gradients(model, IDS)
    assert torch.equal(model(torch.tensor([IDS])), before)
    assert not any(p.requires_grad or p.grad is not None for p in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_one_token_has_no_loss(model):
    with pytest.raises(ValueError, match="at least two"):
        block_gradients(model, [3])

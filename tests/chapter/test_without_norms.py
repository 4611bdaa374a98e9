"""The network without its norms."""

import pytest
import torch

from gpt.chapter.without_norms import overflow_depth, without_norms
from gpt.config import GPTConfig
from gpt.model import GPTModel, LayerNorm
from gpt.tracing import trace

CONFIG = GPTConfig(vocab_size=50, context_length=16, emb_dim=32, n_heads=4, n_layers=3)
IDS = [3, 1, 4, 1, 5]


@pytest.fixture
def model() -> GPTModel:
    torch.manual_seed(0)
    return GPTModel(CONFIG).eval()


def test_without_norms_equals_the_formula_of_the_block_without_them(model):
    x = model.tok_emb(torch.tensor([IDS])) + model.pos_emb(torch.arange(5))
    for block in model.trf_blocks:
        x = x + block.att(x)
        x = x + block.ff(x)
    torch.testing.assert_close(without_norms(model)(torch.tensor([IDS])), model.out_head(x))


def test_what_if_leaves_the_shared_model_as_it_was(model):
    before = model(torch.tensor([IDS]))
    bare = without_norms(model)
    assert not bare(torch.tensor([IDS])).allclose(before)
    assert model(torch.tensor([IDS])).equal(before)
    assert all(isinstance(norm, LayerNorm) for block in model.trf_blocks for norm in (block.norm1, block.norm2))
    shared = {id(parameter) for parameter in model.parameters()}
    assert all(id(parameter) in shared for parameter in bare.parameters())


def test_overflow_is_found_where_it_starts(model):
    assert overflow_depth(trace(model, IDS)) is None
    with torch.no_grad():
        model.trf_blocks[1].ff.layers[2].bias.fill_(torch.inf)
    assert overflow_depth(trace(model, IDS)) == 4

"""Section 4.1: the placeholder model, and the real parts coming in."""

import pytest
import torch

from gpt.chapter.placeholder import PARTS, compare_parts, with_parts
from gpt.config import GPTConfig
from gpt.model import GPTModel

IDS = [3, 1, 4, 1, 5]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(123)
    return GPTModel(GPTConfig(vocab_size=97, context_length=8, emb_dim=32, n_heads=4, n_layers=3)).eval()


@pytest.mark.parametrize("parts", [(), tuple(PARTS)])
def test_the_chapters_batch_comes_out_as_2_4_50257(parts):
    small = GPTModel(GPTConfig(emb_dim=8, n_heads=2, n_layers=2)).eval()
    batch = torch.tensor([[6109, 3626, 6100, 345], [6109, 1110, 6622, 257]])  # printed in section 4.1
    with torch.no_grad():
        assert with_parts(small, parts)(batch).shape == (2, 4, 50257)


@torch.no_grad()
def test_no_parts_are_embeddings_and_head_alone(model):
    ids = torch.tensor([IDS])
    expected = model.out_head(model.tok_emb(ids) + model.pos_emb(torch.arange(5)))
    assert torch.equal(with_parts(model, ())(ids), expected)


@torch.no_grad()
def test_all_parts_are_the_model_itself(model):
    ids = torch.tensor([IDS])
    assert torch.equal(with_parts(model, PARTS)(ids), model(ids))


@torch.no_grad()
def test_every_part_but_the_unused_ones_changes_the_output(model):
    ids = torch.tensor([IDS])
    for missing in PARTS:
        assert not torch.allclose(with_parts(model, PARTS.keys() - {missing})(ids), model(ids)), missing


@torch.no_grad()
def test_the_model_keeps_its_parts_and_its_weights(model):
    ids = torch.tensor([IDS])
    before = model(ids)
    partial = with_parts(model, ())
    assert torch.equal(model(ids), before)
    assert partial.tok_emb.weight is model.tok_emb.weight


def test_parts_come_in_one_by_one_in_the_chapters_order(model):
    names = tuple(PARTS)
    results = compare_parts(model, IDS, [names[:count] for count in range(len(names) + 1)])
    assert [result.parts for result in results] == [tuple(PARTS)[:count] for count in range(5)]
    assert list(PARTS.values()) == sorted(PARTS.values())
    assert results[-1].divergence_bits == pytest.approx(0, abs=1e-9)
    assert results[-1].overlap == pytest.approx(1)
    assert all(result.divergence_bits > 0 and result.overlap < 1 for result in results[:-1])


def test_divergence_and_overlap_are_taken_over_the_whole_vocabulary(model):
    (result,) = compare_parts(model, IDS, [("attention", "LayerNorm")], n=2)
    with torch.no_grad():
        ids = torch.tensor([IDS])
        p = model(ids)[0, -1].double().softmax(0)
        q = with_parts(model, result.parts)(ids)[0, -1].double().softmax(0)
    assert result.parts == ("LayerNorm", "attention")
    assert result.divergence_bits == pytest.approx(float((p * (p / q).log2()).sum()))
    assert result.overlap == pytest.approx(1 - float((p - q).abs().sum()) / 2)
    assert [row.token_id for row in result.tokens] == q.topk(2).indices.tolist()


def test_numbers_that_overflow_are_reported_not_raised(model):
    torch.manual_seed(123)
    wild = GPTModel(model.config).eval()
    with torch.no_grad():
        for block in wild.trf_blocks:
            block.ff.layers[2].weight.fill_(1e30)
    (result,) = compare_parts(wild, IDS, [("feed-forward",)])
    assert result.tokens == ()
    assert result.divergence_bits == float("inf")
    assert result.overlap == 0


def test_an_unknown_part_is_refused(model):
    with pytest.raises(ValueError, match="no part called 'norms'"):
        with_parts(model, ["norms"])

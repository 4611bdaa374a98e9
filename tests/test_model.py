"""The model against the chapter's printed figures and against itself by other routes."""

import pytest
import torch
from torch import nn

from gpt import GPTConfig, GPTModel, Tokenizer
from gpt.cache import KVCache
from gpt.model import GELU, FeedForward, LayerNorm, TransformerBlock, attention_weights
from gpt.seeding import seeded

# Chapter 4, sections 4.6 and 4.7, and the four sizes of exercise 4.2.
UNTIED = {"gpt2-124M": 163_009_536, "gpt2-355M": 406_212_608, "gpt2-774M": 838_220_800, "gpt2-1558M": 1_637_792_000}
TIED = {"gpt2-124M": 124_412_160, "gpt2-355M": 354_749_440, "gpt2-774M": 773_891_840, "gpt2-1558M": 1_557_380_800}


@pytest.fixture(scope="module")
def chapter_model() -> GPTModel:
    with seeded(123):
        return GPTModel(GPTConfig.preset("gpt2-124M")).requires_grad_(False)


def parameters(config: GPTConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in GPTModel(config).parameters())


@pytest.mark.parametrize("name", UNTIED)
def test_parameter_counts_of_the_four_sizes(name):
    preset = GPTConfig.preset(name)
    assert parameters(preset) == UNTIED[name]
    assert parameters(GPTConfig(**{**vars(preset), "tied_head": True})) == TIED[name]


def test_the_chapters_training_mode_logits_with_dropout(sentence_ids):
    # Section 4.6: seed 123, then model and forward pass in training mode.
    with seeded(123):
        model = GPTModel(GPTConfig.preset("gpt2-124M"))
        with torch.no_grad():
            logits = model(sentence_ids)
    assert logits.shape == (2, 4, 50257)
    assert [round(value, 4) for value in logits[0, 0, :3].tolist()] == [0.3613, 0.4222, -0.0711]


def test_the_chapters_greedy_ids(chapter_model):
    # Section 4.7: "Hello, I am" and six more tokens.
    ids = torch.tensor([[15496, 11, 314, 716]])
    chapter_model.eval()
    for _ in range(6):
        ids = torch.cat([ids, chapter_model(ids)[:, -1].argmax(-1, keepdim=True)], 1)
    assert ids[0, 4:].tolist() == [27018, 24086, 47843, 30961, 42348, 7267]
    assert Tokenizer().decode(ids[0].tolist()) == "Hello, I am Featureiman Byeswickattribute argue"


def test_a_tied_head_is_the_embedding_itself():
    model = GPTModel(GPTConfig(vocab_size=11, emb_dim=8, n_heads=2, n_layers=1, tied_head=True))
    assert model.out_head.weight is model.tok_emb.weight


def test_layer_norm_is_the_chapters_formula():
    norm = LayerNorm(6)
    nn.init.normal_(norm.scale)
    nn.init.normal_(norm.shift)
    x = torch.randn(2, 3, 6)
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    torch.testing.assert_close(norm(x), norm.scale * (x - mean) / torch.sqrt(variance + 1e-5) + norm.shift)


def test_gelu_is_the_chapters_formula():
    x = torch.linspace(-4, 4, 101)
    inner = torch.sqrt(torch.tensor(2 / torch.pi)) * (x + 0.044715 * x**3)
    torch.testing.assert_close(GELU()(x), 0.5 * x * (1 + torch.tanh(inner)))


def test_feed_forward_and_block_keep_the_shape():
    # Sections 4.3 and 4.5.
    config = GPTConfig.preset("gpt2-124M")
    feed_forward = FeedForward(config)
    assert feed_forward.layers[0].out_features == 3072
    assert feed_forward(torch.randn(2, 3, 768)).shape == (2, 3, 768)
    assert TransformerBlock(config)(torch.randn(2, 4, 768)).shape == (2, 4, 768)


def test_attention_weights_are_causal_and_sum_to_one():
    weights = attention_weights(torch.randn(2, 3, 4, 8), torch.randn(2, 3, 9, 8))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 4))
    assert weights[..., 0, 6:].eq(0).all()  # the first of the last four of nine tokens sits at place 5
    assert weights[..., 3, :].gt(0).all()


def test_explicit_and_fused_attention_agree(small_model, monkeypatch):
    ids = torch.randint(50257, (2, 9))
    fused = small_model(ids)
    mixes = []

    def explicit(attention, queries, keys, values):
        mixes.append(attention)
        return attention_weights(queries, keys) @ values

    monkeypatch.setattr("gpt.model.MultiHeadAttention._mix", explicit)
    torch.testing.assert_close(small_model(ids), fused)
    assert len(mixes) == small_model.config.n_layers


@pytest.mark.parametrize("pieces", [[9], [1] * 9, [4, 5], [3, 1, 5], [8, 1]])
def test_reading_in_pieces_through_the_cache_gives_the_logits_of_one_pass(small_model, pieces):
    ids = torch.randint(50257, (2, 9))
    cache = KVCache(small_model.config, capacity=9, batch_size=2)
    parts = [small_model(piece, cache) for piece in ids.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), small_model(ids))
    assert cache.length == cache.capacity == 9


def test_more_tokens_than_the_context_are_refused_with_both_numbers(small_model):
    with pytest.raises(ValueError, match="65 tokens do not fit this model's context of 64"):
        small_model(torch.zeros(1, 65, dtype=torch.int64))

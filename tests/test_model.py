"""The model against the chapter's printed figures and against itself by other routes."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import nn

from gpt import GPTConfig, GPTModel, Tokenizer
from gpt.cache import KVCache
from gpt.model import (
    GELU,
    ExactGELU,
    FeedForward,
    LayerNorm,
    MultiHeadAttention,
    TransformerBlock,
    attention_weights,
    fused,
    watched,
)
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


@pytest.mark.parametrize("eps", [1e-5, 1e-2])
def test_layer_norm_is_the_chapters_formula(eps):
    norm = LayerNorm(6, eps)
    nn.init.normal_(norm.scale)
    nn.init.normal_(norm.shift)
    x = torch.randn(2, 3, 6)
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    torch.testing.assert_close(norm(x), norm.scale * (x - mean) / torch.sqrt(variance + eps) + norm.shift)


def test_gelu_is_the_chapters_formula():
    x = torch.linspace(-4, 4, 101)
    inner = torch.sqrt(torch.tensor(2 / torch.pi)) * (x + 0.044715 * x**3)
    torch.testing.assert_close(GELU()(x), 0.5 * x * (1 + torch.tanh(inner)))
    torch.testing.assert_close(ExactGELU()(x), x * torch.distributions.Normal(0, 1).cdf(x))


# What watching changes: the chapter's lines instead of torch's calls, and nothing else

STEPS = {
    "LayerNorm": lambda: (LayerNorm(48), torch.randn(2, 9, 48) * 3 + 1),
    "GELU": lambda: (GELU(), torch.linspace(-8, 8, 1001)),
    "ExactGELU": lambda: (ExactGELU(), torch.linspace(-8, 8, 1001)),
    "MultiHeadAttention": lambda: (MultiHeadAttention(CONFIG).eval(), torch.randn(2, 9, 48) * 3),
}
CONFIG = GPTConfig(vocab_size=50, context_length=16, emb_dim=48, n_heads=4, n_layers=2, qkv_bias=True)


@pytest.mark.parametrize("name", STEPS)
def test_the_chapters_lines_and_torchs_calls_agree(name, monkeypatch):
    step, x = STEPS[name]()
    plain = step(x)
    for call in ("layer_norm", "gelu", "scaled_dot_product_attention"):
        monkeypatch.delattr(f"gpt.model.F.{call}")
    with watched():
        written_out = step(x)
    torch.testing.assert_close(written_out, plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize("settings", [
    {},
    {"activation": "gelu", "norm_eps": 1e-3},
    {"activation": "relu", "inner_dim": 80},
    {"scale_by_head_dim": False},
    {"scale_by_layer": True},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("pieces", [[9], [4, 1, 4]], ids=str)
def test_a_watched_pass_gives_the_logits_of_one_that_nobody_watches(settings, pieces):
    with seeded(3):
        model = GPTModel(replace(CONFIG, **settings)).eval().requires_grad_(False)
        for norm in (module for module in model.modules() if isinstance(module, LayerNorm)):
            nn.init.normal_(norm.scale)
        ids = torch.randint(50, (2, 9))
    plain, cache = model(ids), KVCache(CONFIG, capacity=9, batch_size=2)
    with watched():
        written_out = [model(piece, cache) for piece in ids.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(written_out, 1), plain, rtol=0, atol=1e-5)


def test_looking_on_changes_no_bit_of_a_watched_pass(small_model):
    ids, model_file = torch.randint(50257, (1, 9)), LayerNorm.forward.__code__.co_filename
    seen = []

    def look(frame, *_):
        if frame.f_code.co_filename != model_file:
            return None
        seen.extend((frame.f_code.co_name, name) for name in frame.f_locals)
        return look

    with watched():
        alone = small_model(ids)
        sys.settrace(look)
        try:
            looked_at = small_model(ids)
        finally:
            sys.settrace(None)
    assert torch.equal(looked_at, alone)
    assert {("forward", name) for name in ("mean", "var", "norm_x", "inner", "tanh", "context")} <= set(seen)
    assert {("attention_weights", "scores"), ("attention_weights", "mask"), ("_mix", "weights")} <= set(seen)


def test_only_the_thread_that_watches_runs_the_lines():
    assert fused()
    with watched():
        assert not fused()
        with watched():
            pass
        assert not fused()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(fused).result()
    assert fused()


@pytest.mark.parametrize("scale_by_layer", [False, True])
@pytest.mark.parametrize("scale_by_head_dim", [False, True])
def test_attention_scores_are_divided_as_the_configuration_says(scale_by_head_dim, scale_by_layer):
    config = replace(CONFIG, scale_by_head_dim=scale_by_head_dim, scale_by_layer=scale_by_layer)
    attention = MultiHeadAttention(config, layer=2)
    queries, keys, values = torch.randn(3, 1, 4, 5, 12)
    scores = queries @ keys.mT / (12**0.5 if scale_by_head_dim else 1) / (3 if scale_by_layer else 1)
    weights = scores.masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf).softmax(-1)
    torch.testing.assert_close(attention.eval()._mix(queries, keys, values), weights @ values)


def test_each_place_has_its_own_dropout_rate():
    # Exercise 4.3.
    model = GPTModel(replace(CONFIG, drop_rate_emb=0.2, drop_rate_attn=0.0, drop_rate_shortcut=0.3))
    rates = {name.rsplit(".")[-1]: module.p for name, module in model.named_modules() if isinstance(module, nn.Dropout)}
    assert rates == {"drop_emb": 0.2, "dropout": 0.0, "drop_shortcut": 0.3}


def test_feed_forward_and_block_keep_the_shape():
    # Sections 4.3 and 4.5.
    config = GPTConfig.preset("gpt2-124M")
    feed_forward = FeedForward(config)
    assert feed_forward.layers[0].out_features == 3072
    assert feed_forward(torch.randn(2, 3, 768)).shape == (2, 3, 768)
    assert FeedForward(replace(config, inner_dim=100)).layers[0].out_features == 100
    assert TransformerBlock(config)(torch.randn(2, 4, 768)).shape == (2, 4, 768)


def test_attention_weights_are_causal_and_sum_to_one():
    weights = attention_weights(torch.randn(2, 3, 4, 8), torch.randn(2, 3, 9, 8))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 4))
    assert weights[..., 0, 6:].eq(0).all()  # the first of the last four of nine tokens sits at place 5
    assert weights[..., 3, :].gt(0).all()


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


@pytest.mark.parametrize("pieces", [[3], [2, 1], [1, 1, 1]], ids=str)
def test_more_tokens_than_a_cache_has_room_for_are_refused_with_both_numbers(small_model, pieces):
    cache = KVCache(small_model.config, capacity=2)
    *fitting, last = torch.tensor([[1, 2, 3]]).split(pieces, dim=1)
    for piece in fitting:
        small_model(piece, cache)
    with pytest.raises(ValueError, match=r"^3 tokens do not fit: there is room for 2\.$"):
        small_model(last, cache)


@pytest.mark.parametrize("token_id", [50257, -1])
def test_an_id_that_the_vocabulary_lacks_is_an_index_error(small_model, token_id):
    with pytest.raises(IndexError):
        small_model(torch.tensor([[1, token_id]]))

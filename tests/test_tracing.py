"""Tracing against transformers, the logit lens against the model itself, and the shared model left alone."""

import threading
from types import SimpleNamespace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, GPT2LMHeadModel

from gpt import tracing
from gpt.cache import KVCache
from gpt.config import GPTConfig
from gpt.engine.precision import PRECISIONS
from gpt.files.weights import load_model, save_model
from gpt.model import GPTModel
from gpt.tracing import (
    NORM_NAMES,
    WINDOW,
    Window,
    logit_lens,
    mean_and_variance,
    outlier_features,
    stream_norms,
    structural_copy,
    trace,
    trace_window,
    window_around,
)

CONFIG = GPTConfig(vocab_size=89, context_length=24, emb_dim=32, n_heads=4, n_layers=3, qkv_bias=True, tied_head=True)
IDS = torch.randint(0, CONFIG.vocab_size, (1, 13), generator=torch.Generator().manual_seed(1))
WITHIN = {"atol": 1e-5, "rtol": 1e-5}


def random_transformers_model() -> GPT2LMHeadModel:
    """GPT-2 of CONFIG's shape with every tensor random, norms and biases too."""
    config = GPT2Config(
        vocab_size=CONFIG.vocab_size,
        n_positions=CONFIG.context_length,
        n_embd=CONFIG.emb_dim,
        n_head=CONFIG.n_heads,
        n_layer=CONFIG.n_layers,
        attn_implementation="eager",
    )
    model = GPT2LMHeadModel(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.1, 0.3, generator=generator)
    return model


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> SimpleNamespace:
    theirs = random_transformers_model()
    folder = tmp_path_factory.mktemp("gpt2")
    theirs.save_pretrained(folder)
    model = load_model(folder)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    body = theirs.transformer
    norms = [ln for layer in body.h for ln in (layer.ln_1, layer.ln_2)] + [body.ln_f]
    handles = [ln.register_forward_hook(lambda _, args, out: seen.append((args[0][0], out[0]))) for ln in norms]
    with torch.no_grad():
        output = theirs(IDS, output_attentions=True, output_hidden_states=True)
    for handle in handles:
        handle.remove()
    return SimpleNamespace(model=model, traced=trace(model, IDS), norms=norms, seen=seen, output=output)


def test_every_norm_sees_and_gives_what_it_does_in_transformers(both):
    assert len(both.traced.norms) == 2 * CONFIG.n_layers + 1 == len(both.seen)
    for norm, ln, (before, after) in zip(both.traced.norms, both.norms, both.seen, strict=True):
        torch.testing.assert_close(norm.before, before, **WITHIN)
        torch.testing.assert_close(norm.after, after, **WITHIN)
        torch.testing.assert_close(norm.normalized * ln.weight + ln.bias, after, **WITHIN)


def test_normalized_rows_have_mean_0_and_variance_just_below_1(both):
    for norm in both.traced.norms:
        _, variance = mean_and_variance(norm.before)
        mean_after, variance_after = mean_and_variance(norm.normalized)
        torch.testing.assert_close(mean_after, torch.zeros(IDS.shape[1]), **WITHIN)
        torch.testing.assert_close(variance_after, variance / (variance + 1e-5), **WITHIN)


def test_attention_is_causal_sums_to_1_and_equals_that_of_transformers(both):
    for block, theirs in zip(both.traced.blocks, both.output.attentions, strict=True):
        assert block.attention.shape == (CONFIG.n_heads, 13, 13)
        torch.testing.assert_close(block.attention.sum(-1), torch.ones(CONFIG.n_heads, 13), **WITHIN)
        assert block.attention.triu(1).count_nonzero() == 0
        torch.testing.assert_close(block.attention, theirs[0], **WITHIN)


def test_residual_leaving_each_block_is_the_hidden_state_of_transformers(both):
    # transformers gives the last hidden state after ln_f, so that one is compared as ln_f's input above.
    for block, theirs in zip(both.traced.blocks[:-1], both.output.hidden_states[1:], strict=False):
        torch.testing.assert_close(block.residual, theirs[0], **WITHIN)
    assert both.traced.blocks[-1].residual is both.traced.final_norm.before


def test_stream_norms_are_the_lengths_of_the_stream_and_of_what_each_half_block_adds(both):
    length, change = stream_norms(both.traced.stream)
    block = both.traced.blocks[1]
    torch.testing.assert_close(length[3], block.norm2.before.square().sum(-1).sqrt())
    torch.testing.assert_close(change[3], (block.residual - block.norm2.before).square().sum(-1).sqrt())
    assert length.shape == (7, 13) and change.shape == (6, 13)


def test_lens_at_the_last_block_is_the_models_own_distribution(both):
    lens = logit_lens(both.model, both.traced.stream, n=4)
    own = both.model(IDS)[0].softmax(-1).topk(4)
    assert lens.top_ids[-1].equal(own.indices)
    torch.testing.assert_close(lens.top_probabilities[-1], own.values, **WITHIN)
    assert lens.answers.equal(own.indices[:, 0])
    assert lens.answer_rank[-1].eq(1).all()


def test_lens_at_an_earlier_depth_ends_the_model_there(both):
    shorter = structural_copy(both.model)
    shorter.trf_blocks = shorter.trf_blocks[:2]
    lens = logit_lens(both.model, both.traced.stream, n=3)
    probabilities = shorter(IDS)[0].softmax(-1)
    torch.testing.assert_close(lens.top_probabilities[4], probabilities.topk(3).values, **WITHIN)
    answer = probabilities.gather(1, lens.answers[:, None])
    torch.testing.assert_close(lens.answer_probability[4], answer[:, 0], **WITHIN)
    assert lens.answer_rank[4].equal(1 + (probabilities > answer).sum(1))
    assert lens.answer_rank[4].max() > 1


def test_cached_and_uncached_pass_agree(both):
    cache = KVCache(CONFIG, capacity=13)
    both.model.hidden(IDS[:, :6], cache)
    pieces = [trace(both.model, IDS[:, 6:12], cache), trace(both.model, IDS[:, 12:], cache)]
    for place, norm in enumerate(both.traced.norms):
        torch.testing.assert_close(torch.cat([p.norms[place].before for p in pieces]), norm.before[6:], **WITHIN)
        torch.testing.assert_close(torch.cat([p.norms[place].after for p in pieces]), norm.after[6:], **WITHIN)
    for layer, block in enumerate(both.traced.blocks):
        torch.testing.assert_close(pieces[0].blocks[layer].attention, block.attention[:, 6:12, :12], **WITHIN)
        torch.testing.assert_close(pieces[1].blocks[layer].attention, block.attention[:, 12:], **WITHIN)
        torch.testing.assert_close(pieces[1].blocks[layer].residual, block.residual[12:], **WITHIN)


def test_a_window_is_the_same_stretch_of_the_whole_trace(both, monkeypatch):
    monkeypatch.setattr(tracing, "WINDOW", 5)
    window = window_around(7, 13, CONFIG.context_length)
    assert window == Window(first_read=0, start=5, stop=10)
    part = trace_window(both.model, IDS[0].tolist(), window)
    for whole, piece in zip(both.traced.norms, part.norms, strict=True):
        torch.testing.assert_close(piece.after, whole.after[5:10], **WITHIN)
    torch.testing.assert_close(part.blocks[2].attention, both.traced.blocks[2].attention[:, 5:10, :10], **WITHIN)


def test_a_window_holds_its_token_and_never_reads_more_than_the_context():
    for context_length in (32, 128, 200, 1024):
        for n_tokens in (1, 32, 128, 129, 500, 1500):
            for index in range(n_tokens):
                window = window_around(index, n_tokens, context_length)
                assert 0 <= window.first_read <= window.start <= index < window.stop <= n_tokens
                assert window.stop - window.start <= WINDOW
                assert window.stop - window.first_read <= context_length


def test_features_that_stand_out_are_named_farthest_first():
    x = torch.randn(6, 100, generator=torch.Generator().manual_seed(0))
    assert outlier_features(x) == []
    x[:, 31] += 20
    x[:, 7] -= 30
    assert outlier_features(x) == [7, 31]
    assert outlier_features(x, most=1) == [7]


def test_a_list_a_row_and_a_batch_of_one_are_the_same_ids(both):
    for ids in (IDS[0].tolist(), IDS[0]):
        assert trace(both.model, ids).ids == both.traced.ids
        assert trace(both.model, ids).final_norm.after.equal(both.traced.final_norm.after)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_trace_and_lens_read_the_model_in_every_precision(both, precision, tmp_path):
    save_model(both.model, tmp_path)
    model = load_model(tmp_path, precision)
    traced = trace(model, IDS)
    assert traced.final_norm.after.equal(model.hidden(IDS)[0])
    own = model(IDS)[0].softmax(-1).topk(2)
    torch.testing.assert_close(logit_lens(model, traced.stream, n=2).top_probabilities[-1], own.values, **WITHIN)


def test_a_trace_multiplies_no_more_than_the_pass_it_reads(both):
    model = GPTModel(both.model.config).eval()  # as made: the counter knows no private kernels
    with FlopCounterMode(display=False) as plain:
        model.hidden(IDS)
    with FlopCounterMode(display=False) as traced:
        trace(model, IDS)
    assert 0 < traced.get_total_flops() <= plain.get_total_flops()


def test_the_shared_model_is_untouched_even_when_it_is_in_training_mode():
    model = GPTModel(GPTConfig(vocab_size=10, context_length=8, emb_dim=8, n_heads=2, n_layers=2, drop_rate=0.5))
    modules = dict(model.named_modules())
    first, second = trace(model, [1, 2, 3]), trace(model, [1, 2, 3])
    assert first.final_norm.after.equal(second.final_norm.after)
    assert model.training and dict(model.named_modules()) == modules
    assert not any(module._forward_hooks for module in modules.values())


def test_a_structural_copy_shares_every_tensor_and_no_module(both):
    twin = structural_copy(both.model)
    for mine, theirs in zip(both.model.modules(), twin.modules(), strict=True):
        assert type(mine) is type(theirs) and mine is not theirs
    for mine, theirs in zip(both.model.parameters(), twin.parameters(), strict=True):
        assert mine is theirs
    twin.final_norm = torch.nn.Identity()
    assert not isinstance(both.model.final_norm, torch.nn.Identity)


def test_two_visitors_tracing_at_once_see_only_their_own_pass(both):
    texts = [[n, n + 1, n + 2] for n in range(20)]
    expected = [trace(both.model, ids).final_norm.after for ids in texts]
    found: dict[int, torch.Tensor] = {}

    def visit(n: int) -> None:
        found[n] = trace(both.model, texts[n]).final_norm.after

    visitors = [threading.Thread(target=visit, args=(n,)) for n in range(len(texts))]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert all(found[n].equal(expected[n]) for n in range(len(texts)))


def test_a_norm_is_found_by_block_and_name(both):
    assert [both.traced.norm(2, name) for name in NORM_NAMES] == list(both.traced.norms[4:])
    with pytest.raises(ValueError, match=r"'norm3'.*norm1, norm2, final_norm"):
        both.traced.norm(0, "norm3")
    with pytest.raises(ValueError, match=r"block is 3.*0 to 2"):
        both.traced.norm(3, "norm1")


def test_more_tokens_than_the_context_are_refused(both):
    with pytest.raises(ValueError, match=r"25 tokens do not fit.*24"):
        trace(both.model, [1] * 25)


def test_a_trace_takes_eps_and_the_divisor_of_scores_from_the_model():
    config = GPTConfig(89, 24, 32, 4, 3, norm_eps=0.3, scale_by_head_dim=False, scale_by_layer=True)
    torch.manual_seed(0)
    model = GPTModel(config).eval()
    traced = trace(model, IDS)
    for norm, module in ((traced.blocks[1].norm2, model.trf_blocks[1].norm2), (traced.final_norm, model.final_norm)):
        torch.testing.assert_close(norm.normalized * module.scale + module.shift, norm.after, **WITHIN)
    block = traced.blocks[1]
    keys = model.trf_blocks[1].att.split_heads(model.trf_blocks[1].att.W_qkv(block.norm1.after[None]))
    values = keys[2][0]
    torch.testing.assert_close(block.attention @ values, block.heads, **WITHIN)


def test_heads_and_feed_forward_are_what_each_block_adds(both):
    for block, module in zip(both.traced.blocks, both.model.trf_blocks, strict=True):
        added = module.att.out_proj(block.heads.transpose(0, 1).flatten(1))
        torch.testing.assert_close(block.norm1.before + added, block.norm2.before, **WITHIN)
        torch.testing.assert_close(block.norm2.before + block.feed_forward, block.residual, **WITHIN)

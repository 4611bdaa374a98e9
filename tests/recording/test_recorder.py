"""What is recorded is what the model computes, and being recorded changes nothing."""

import sys
import threading

import pytest
import torch

from gpt.config import GPTConfig
from gpt.model import GPTModel, attention_weights, watched
from gpt.recording.model_source import lines
from gpt.recording.recorder import RETURNED, record, record_window
from gpt.seeding import seeded
from gpt.tracing import Window, trace

IDS = (6109, 3626, 6100, 345, 318, 262)


def watched_logits(model: GPTModel, ids: tuple[int, ...] = IDS) -> torch.Tensor:
    with torch.no_grad(), watched():
        return model(torch.tensor([ids]))


def in_file(text: str) -> int:
    """The number of the only line that is this one, without its comment."""
    (number,) = [n for n, line in enumerate(lines(), 1) if line.partition("#")[0].strip() == text]
    return number


@pytest.mark.parametrize("block", [0, 2])
def test_being_recorded_changes_no_bit_of_a_watched_pass(small_model, block):
    before = watched_logits(small_model)
    assert torch.equal(record(small_model, IDS, block).logits, before)
    assert torch.equal(watched_logits(small_model), before)


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "relu"},
        {"activation": "gelu"},
        {"scale_by_layer": True, "scale_by_head_dim": False},
        {"tied_head": True, "qkv_bias": True},
    ],
)
def test_any_model_can_be_recorded_to_the_bit(changes):
    config = GPTConfig(vocab_size=97, context_length=8, emb_dim=24, n_heads=3, n_layers=2, **changes)
    with seeded(5):
        model = GPTModel(config).eval()
    ids = (3, 1, 4, 1, 5)
    assert torch.equal(record(model, ids, 1).logits, watched_logits(model, ids))


def test_lines_hold_what_the_chapters_formulas_say(small_model):
    recording = record(small_model, IDS, 1)
    (norm,) = recording.calls_of("LayerNorm.forward", "trf_blocks.1.norm1")
    x = norm.arguments["x"]
    torch.testing.assert_close(x, trace(small_model, IDS).blocks[1].norm1.before[None], atol=1e-5, rtol=1e-5)
    (mean,) = norm.made[in_file("mean = x.mean(dim=-1, keepdim=True)")]
    assert mean.name == "mean" and torch.equal(mean.value, x.mean(-1, keepdim=True))
    (var,) = norm.values("var")
    torch.testing.assert_close(var, x.var(-1, keepdim=True, unbiased=False))
    (norm_x,) = norm.values("norm_x")
    torch.testing.assert_close(norm_x, (x - mean.value) / torch.sqrt(var + 1e-5))
    (scores,) = recording.calls_of("attention_weights")
    torch.testing.assert_close(scores.returned, attention_weights(*scores.arguments.values()))
    (gelu,) = recording.calls_of("GELU.forward")
    x = gelu.arguments["x"]
    torch.testing.assert_close(gelu.values("inner")[0], (2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))


def test_only_one_block_is_recorded_and_everything_around_the_blocks(small_model):
    recording = record(small_model, IDS, 1)
    assert {call.module.split(".")[1] for call in recording.calls if call.module.startswith("trf")} == {"1"}
    assert len(recording.calls_of("TransformerBlock.forward")) == 1
    assert {call.function.name for call in recording.calls if not call.module.startswith("trf")} == {
        "GPTModel.forward", "GPTModel.hidden", "GPTModel.embed", "LayerNorm.forward",
    }  # fmt: skip
    (hidden,) = recording.calls_of("GPTModel.hidden")
    loop = in_file("x = block(x, cache)")
    assert hidden.ran[loop] == 3
    (final_norm,) = recording.calls_of("LayerNorm.forward", "final_norm")
    assert torch.equal(hidden.made[loop][0].value, final_norm.arguments["x"])


def test_every_line_that_ran_and_made_a_tensor_has_it(small_model):
    recording = record(small_model, IDS, 0)
    for call in recording.calls:
        for statement in call.function.statements.values():
            made = [each.name for each in call.made.get(statement.first, [])]
            text = lines()[statement.first - 1].strip()
            if statement.first in call.ran and text.startswith("return ") and ", " not in text.partition("#")[0]:
                assert made == [RETURNED] or "cache" in text, text


def test_what_is_kept_is_no_view_of_what_others_write(small_model):
    recording = record(small_model, IDS, 0)
    (attention,) = recording.calls_of("MultiHeadAttention.forward")
    (qkv,) = attention.values("qkv")
    before = attention.values("queries")[0].clone()
    qkv.zero_()
    assert torch.equal(attention.values("queries")[0], before)


def test_a_later_window_looks_back_at_what_was_read_before(small_model):
    whole = record(small_model, IDS, 1)
    rest = record_window(small_model, IDS, Window(0, 4, 6), 1)
    assert rest.ids == IDS[4:]
    torch.testing.assert_close(rest.logits, whole.logits[:, 4:], atol=1e-4, rtol=1e-4)
    (scores,) = rest.calls_of("attention_weights")
    assert scores.returned.shape == (1, 4, 2, 6)


def test_tracing_ends_with_the_pass_also_when_it_fails(small_model):
    def tracer(*_: object) -> None:
        return None

    sys.settrace(tracer)
    try:
        record(small_model, IDS, 0)
        assert sys.gettrace() is tracer
        with pytest.raises(ValueError, match="do not fit"):
            record(small_model, [1] * 65, 0)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(None)


def test_another_threads_pass_is_not_recorded(small_model):
    recordings = []

    def read() -> None:
        recordings.append(record(small_model, IDS, 1))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = record(small_model, IDS, 1)
    assert [len(each.calls) for each in recordings] == [len(alone.calls)] * 3


def test_the_model_keeps_its_mode(small_model):
    small_model.train()
    try:
        record(small_model, IDS, 0)
        assert small_model.training
    finally:
        small_model.eval()


@pytest.mark.parametrize("block", [-1, 3])
def test_a_block_that_is_not_there_is_refused(small_model, block):
    with pytest.raises(ValueError, match="blocks run from 0 to 2"):
        record(small_model, IDS, block)

"""The app's own rate: a prompt at once and tokens one by one, read by what decodes."""

import pytest
import torch

from gpt import GPTConfig, GPTModel
from gpt.estimates import own_rate as module
from gpt.estimates.own_rate import own_rate

MODEL = GPTModel(GPTConfig(vocab_size=30, context_length=24, emb_dim=32, n_heads=2, n_layers=2)).eval()


@pytest.mark.parametrize("n_tokens", [2, 5, 24])
def test_the_whole_prompt_is_timed_and_then_single_tokens_up_to_its_length(monkeypatch, n_tokens):
    read = []

    class Reader:
        def read(self, ids):
            read.append(list(ids))
            return torch.zeros(len(ids), 32), torch.zeros(30)

        def restart(self):
            read.append("restart")

        def close(self):
            read.append("close")

    monkeypatch.setattr(module, "text_reader", lambda *_: Reader())
    found = own_rate(MODEL, n_tokens)
    whole, restarted, beginning, *singles, closed = read
    assert (len(whole), restarted, closed) == (n_tokens, "restart", "close")
    assert beginning + [token for single in singles for token in single] == whole
    assert {len(single) for single in singles} == {1} and len(singles) == min(8, n_tokens - 1)
    assert found.n_tokens == n_tokens and found.prompt_seconds > 0 and found.token_seconds > 0


@pytest.mark.parametrize("n_tokens", [1, 24])
def test_a_real_model_is_read(n_tokens):
    found = own_rate(MODEL, n_tokens)
    assert found.prompt_seconds > 0 and found.token_seconds > 0


@pytest.mark.parametrize("n_tokens", [0, 25])
def test_what_cannot_be_timed_is_refused(n_tokens):
    with pytest.raises(ValueError, match="timed with 1 to 24 tokens"):
        own_rate(MODEL, n_tokens)

"""A text is read a few times, not dozens of times, and larger texts get larger models."""

import pytest

from gpt.training.suited_sizes import MOST_TOKENS, suited


@pytest.mark.parametrize("n_tokens", [100, 5_000, 19_999, 20_001, 85_000, 400_001, 1_000_000, 15_000_000])
def test_what_is_read_suits_the_text(n_tokens):
    fitting = suited(n_tokens)
    in_a_step = fitting.batch_size * fitting.context_length
    steps = fitting.steps(n_tokens, fitting.context_length, fitting.batch_size)
    assert steps * in_a_step <= 6 * n_tokens + in_a_step
    assert steps * in_a_step <= MOST_TOKENS + in_a_step
    assert steps * in_a_step >= min(4 * n_tokens, MOST_TOKENS)


def test_larger_texts_get_larger_models():
    widths = [suited(n_tokens).emb_dim for n_tokens in (5_000, 85_000, 15_000_000)]
    assert widths == sorted(set(widths))

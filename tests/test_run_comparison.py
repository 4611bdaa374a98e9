"""Two models side by side: their divergence is that of two plain forward passes, token by token."""

from dataclasses import replace
from math import log

import pytest
import torch

from gpt.config import GPTConfig
from gpt.generation import Settings
from gpt.model import GPTModel
from gpt.run_comparison import compared, parting, same_tokens, with_settings
from gpt.runs import Run, branch, grow, new_run, written_again
from gpt.sampling import Sampling
from gpt.seeding import seeded
from gpt.tokenizer import Tokenizer

V = 97


def made(seed: int, context_length: int = 12, vocab_size: int = V) -> GPTModel:
    with seeded(seed):
        config = GPTConfig(vocab_size=vocab_size, context_length=context_length, emb_dim=32, n_heads=2, n_layers=2)
        model = GPTModel(config)
        for name, parameter in model.named_parameters():
            torch.nn.init.normal_(parameter, mean=float("scale" in name), std=0.2)
    return model.eval().requires_grad_(False)


FIRST = made(0)


def last(runs) -> Run:
    *_, run = runs
    return run


def grown(ids: str = "5 80 12 33 7", settings: Settings | None = None, model: GPTModel = FIRST) -> Run:
    settings = settings or Settings(9, Sampling(0.9, 20, 0.95), 7)
    return last(grow(model, new_run(model, "a model", ids, settings)))


def log_p(model: GPTModel, run: Run, n: int) -> torch.Tensor:
    """What the model predicts for token n of the text, in nats: the tokens in its window, read in one plain pass."""
    end = max(n, len(run.prompt_ids))  # a prompt is read at once, so its window is that of its end
    read = run.ids[max(0, end - model.config.context_length) : n]
    return model(torch.tensor([read]))[0, -1].double().log_softmax(-1)


def expected(second: GPTModel, run: Run, n: int) -> float:
    p, q = log_p(FIRST, run, n), log_p(second, run, n)
    return float((p.exp() * (p - q)).sum() / log(2))


@pytest.mark.parametrize("context_length", [8, 12, 40])
@pytest.mark.parametrize("ids", ["5 80 12 33 7", " ".join(map(str, range(30))), "3"])
def test_the_divergence_of_every_token_is_that_of_plain_passes(ids, context_length):
    second, run = made(1, context_length), grown(ids)
    tokens = list(compared(FIRST, run, second))
    n_prompt = len(run.prompt_ids)
    first = max(1, n_prompt - min(context_length, FIRST.config.context_length) + 1)
    assert [each.position for each in tokens] == list(range(first, len(run.ids)))
    for each in tokens:
        assert each.kl_bits == pytest.approx(expected(second, run, each.position), rel=1e-3, abs=1e-4)
        assert each.first.token_id == each.second.token_id == run.ids[each.position]
        its = float(log_p(second, run, each.position)[each.second.token_id])
        assert each.second.logprob == pytest.approx(its, abs=1e-3)
    assert [each.first.logprob for each in tokens][-9:] == [step.logprob for step in run.steps]


@pytest.mark.parametrize("position", [3, 8])
def test_a_branch_is_compared_like_any_text(position):
    second, run = made(1), last(branch(FIRST, grown(), position, 3))
    for each in compared(FIRST, run, second):
        assert each.kl_bits == pytest.approx(expected(second, run, each.position), rel=1e-3, abs=1e-4)


def test_a_model_beside_itself_differs_in_nothing():
    tokens = list(compared(FIRST, grown(), FIRST))
    assert {each.kl_bits for each in tokens} == {0}
    assert all(each.first == each.second for each in tokens)


def test_a_token_is_scored_in_float64_over_the_whole_vocabulary_and_the_divergence_is_not_symmetric():
    second, run = made(1), grown()
    there = {each.position: each.kl_bits for each in compared(FIRST, run, second)}
    n = len(run.ids) - 1
    p, q = log_p(FIRST, run, n), log_p(second, run, n)
    back = float((q.exp() * (q - p)).sum() / log(2))
    assert there[n] != pytest.approx(back, rel=1e-2)


def test_models_with_other_vocabularies_are_not_compared():
    other = made(1, vocab_size=96)
    assert not same_tokens(FIRST, other)
    with pytest.raises(ValueError, match="different vocabularies"):
        compared(FIRST, grown(), other)
    assert same_tokens(FIRST, made(1))
    with_words = made(1)
    with_words.tokenizer = Tokenizer()
    assert not same_tokens(FIRST, with_words)
    again = made(2)
    again.tokenizer = Tokenizer()
    assert same_tokens(with_words, again)


def test_two_texts_part_at_their_first_other_token_or_where_one_ends():
    run = grown()
    other = last(branch(FIRST, run, 8, (run.ids[8] + 1) % V))
    assert parting(run, other) == 8
    assert parting(run, run) is None
    assert parting(run, replace(run, steps=run.steps[:4])) == len(run.prompt_ids) + 4


@pytest.mark.parametrize("position", [None, 3, 8])
def test_other_settings_hold_for_a_branch_and_for_what_it_came_from(position):
    run, plain = grown(), Settings(9, Sampling(1.3, 0, 1), 7)
    if position is not None:
        run = last(branch(FIRST, run, position, 3))
    again = last(written_again(FIRST, "a model", with_settings(run, plain)))
    expected = grown(settings=plain)
    if position is not None:
        expected = last(branch(FIRST, expected, position, 3))
    assert again == expected

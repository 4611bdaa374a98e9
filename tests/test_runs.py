"""What a run tells afterwards is what the model would say if it read everything again."""

import json
from math import exp, log

import pytest
import torch

from gpt.config import GPTConfig
from gpt.generation import Run, Settings, generate
from gpt.model import GPTModel
from gpt.runs import branch, first_difference, logits_before, perplexity, prompt_scores, record, surprisal_bits
from gpt.sampling import Sampling
from gpt.tokenizer import Tokenizer

CONFIG = GPTConfig(vocab_size=97, context_length=12, emb_dim=32, n_heads=2, n_layers=2)
PROMPT = (5, 80, 12, 33, 7)
TOKENIZER = Tokenizer()


@pytest.fixture(scope="module")
def model() -> GPTModel:
    torch.manual_seed(0)
    model = GPTModel(CONFIG).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=float("scale" in name), std=0.2)
    return model


def run_of(model: GPTModel, prompt_ids: tuple[int, ...] = PROMPT, settings: Settings | None = None) -> Run:
    settings = settings or Settings(9, Sampling(0.9, 20, 0.95), 7)
    sampling = settings.sampling
    steps = generate(
        model,
        prompt_ids,
        settings.max_new_tokens,
        sampling.temperature,
        sampling.top_k,
        sampling.top_p,
        settings.seed,
    )
    return Run("a model", TOKENIZER.decode(prompt_ids), prompt_ids, settings, tuple(steps))


def fresh_logits(model: GPTModel, ids: tuple[int, ...]) -> torch.Tensor:
    return model(torch.tensor([ids[-CONFIG.context_length :]]))[0, -1]


def test_the_logits_before_every_token_are_those_of_a_fresh_forward(model):
    run = run_of(model)
    assert len(run.ids) > CONFIG.context_length
    assert logits_before(model, run, 0) is None
    assert logits_before(model, run, len(run.ids)) is None
    for position in range(1, len(run.ids)):
        expected = fresh_logits(model, run.ids[:position])
        torch.testing.assert_close(logits_before(model, run, position), expected, rtol=1e-4, atol=1e-4)


def test_a_prompt_longer_than_the_context_is_judged_inside_the_window(model):
    prompt_ids = tuple(range(30))
    run = run_of(model, prompt_ids)
    scores = prompt_scores(model, run)
    first = len(prompt_ids) - CONFIG.context_length
    assert [scored is None for scored in scores] == [position <= first for position in range(30)]
    assert logits_before(model, run, first) is None
    logits = model(torch.tensor([prompt_ids[first:]]))[0]
    torch.testing.assert_close(logits_before(model, run, first + 1), logits[0], rtol=1e-4, atol=1e-4)


def test_prompt_scores_and_perplexity_are_the_cross_entropy_of_a_fresh_forward(model, monkeypatch):
    monkeypatch.setattr("gpt.runs._ROWS_AT_ONCE", 3)
    run = run_of(model)
    scores = prompt_scores(model, run)
    ids = torch.tensor(PROMPT)
    losses = torch.nn.functional.cross_entropy(model(ids[None, :-1])[0], ids[1:], reduction="none")
    assert scores[0] is None
    assert [-scored.logprob for scored in scores[1:]] == pytest.approx(losses.tolist(), abs=1e-4)
    assert [scored.token_id for scored in scores[1:]] == list(PROMPT[1:])
    assert perplexity(scores) == pytest.approx(exp(losses.mean()), rel=1e-4)


def test_a_prompt_that_is_not_read_or_has_one_token_has_no_perplexity(model):
    unread = Run("a model", "", PROMPT, Settings())
    assert prompt_scores(model, unread) == (None,) * 5
    assert perplexity(prompt_scores(model, unread)) is None
    assert logits_before(model, unread, 3) is None
    assert perplexity(prompt_scores(model, run_of(model, (1,)))) is None


def test_surprisal_is_in_bits_and_never_below_nought():
    assert surprisal_bits(log(1 / 8)) == pytest.approx(3)
    assert surprisal_bits(1e-17) == 0


@pytest.mark.parametrize("position", [5, 6, 9, 13])
def test_a_branch_is_what_the_longer_prompt_gives(model, position):
    run = run_of(model)
    *_, regrown = branch(model, TOKENIZER, run, position, 3)
    longer = (*run.ids[:position], 3)
    length = len(run.ids) - len(longer)
    direct = run_of(model, longer, Settings(length, run.settings.sampling, 7)).steps if length else ()
    assert regrown.ids == longer + tuple(step.token_id for step in direct)
    assert regrown.steps[: position - 5] == run.steps[: position - 5]
    assert regrown.steps[position - 4 :] == direct
    assert (regrown.parent, regrown.parted_at, regrown.prompt_ids) == (run, position, PROMPT)


def test_a_branch_in_the_prompt_continues_the_text_before_it(model):
    run = run_of(model)
    *_, regrown = branch(model, TOKENIZER, run, 2, 3)
    assert regrown.prompt_ids == PROMPT[:2]
    assert regrown.prompt == TOKENIZER.decode(PROMPT[:2])
    assert len(regrown.steps) == run.settings.max_new_tokens
    direct = run_of(model, (*PROMPT[:2], 3), Settings(8, run.settings.sampling, 7))
    assert regrown.steps[1:] == direct.steps


def test_every_token_of_a_branch_can_be_opened_like_any_other(model):
    run = run_of(model)
    *_, first = branch(model, TOKENIZER, run, 7, 3)
    *_, nested = branch(model, TOKENIZER, first, 3, 4)
    for branched in (first, nested):
        for position in range(1, len(branched.ids)):
            expected = fresh_logits(model, branched.ids[:position])
            torch.testing.assert_close(logits_before(model, branched, position), expected, rtol=1e-4, atol=1e-4)
    assert nested.parent.parent is run


def test_the_forced_token_carries_the_probability_its_road_had(model):
    run = run_of(model)
    started = next(branch(model, TOKENIZER, run, 7, 3))
    forced = started.steps[-1]
    probabilities = fresh_logits(model, run.ids[:7]).softmax(0)
    assert forced.forced
    assert forced.uniform is None
    assert forced.probability == pytest.approx(float(probabilities[3]), rel=1e-4)
    assert not any(step.forced for step in run.steps)


def test_a_branch_streams_and_ends_at_the_stop_id(model):
    run = run_of(model)
    runs = list(branch(model, TOKENIZER, run, 6, 3))
    assert [len(each.ids) for each in runs] == list(range(7, len(run.ids) + 1))
    assert [len(each.ids) for each in branch(model, TOKENIZER, run, 6, 3, stop_id=3)] == [7]
    stop_id = runs[-1].ids[8]
    *_, stopped = branch(model, TOKENIZER, run, 6, 3, stop_id=stop_id)
    assert stopped.ids == runs[-1].ids[: runs[-1].ids.index(stop_id, 7) + 1]


@pytest.mark.parametrize(("position", "token_id"), [(0, 3), (-1, 3), (14, 3), (6, 97), (6, -1)])
def test_where_there_is_no_other_road_it_is_refused_at_once(model, position, token_id):
    with pytest.raises(ValueError, match=r"choose a later one|is not a token"):
        branch(model, TOKENIZER, run_of(model), position, token_id)


def test_the_first_difference_is_where_a_branch_takes_another_token(model):
    run = run_of(model)
    other = (run.ids[8] + 1) % 97
    *_, regrown = branch(model, TOKENIZER, run, 8, other)
    assert first_difference(run, regrown) == 8
    assert first_difference(run, run) == len(run.ids)


def test_the_record_of_a_run_is_json_and_repeats_the_run(model):
    run = run_of(model)
    *_, regrown = branch(model, TOKENIZER, run, 8, 3)
    read = json.loads(json.dumps(record(regrown, prompt_scores(model, regrown), TOKENIZER), allow_nan=False))
    assert read["ids"] == list(regrown.ids)
    assert read["parent_ids"] == list(run.ids)
    assert read["parted_at"] == 8
    assert [step["forced"] for step in read["steps"]] == [position == 3 for position in range(9)]
    assert read["prompt_tokens"][0]["probability"] is None
    assert 0 < read["prompt_tokens"][1]["probability"] < 1
    again = generate(
        model,
        [token["token_id"] for token in read["prompt_tokens"]],
        **{name: read[name] for name in ("max_new_tokens", "temperature", "top_k", "top_p", "seed")},
    )
    assert [step.token_id for step in again] == list(run.ids[5:])

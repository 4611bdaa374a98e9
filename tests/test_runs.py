"""What a run tells afterwards is what the model would say if it read everything again."""

import json
from dataclasses import replace
from math import exp, log

import pytest
import torch

from gpt.config import GPTConfig
from gpt.generation import Settings, generate, steps_after
from gpt.model import GPTModel
from gpt.runs import (
    MOST_CHARACTERS,
    Run,
    branch,
    finish_reason,
    finished,
    first_difference,
    grow,
    logits_before,
    n_unread,
    new_run,
    perplexity,
    prompt_scores,
    record,
    surprisal_bits,
    written_again,
)
from gpt.sampling import Sampling
from gpt.tokenizer import TokenIds, Tokenizer

CONFIG = GPTConfig(vocab_size=97, context_length=12, emb_dim=32, n_heads=2, n_layers=2)
PROMPT = (5, 80, 12, 33, 7)
TOKENIZER = Tokenizer()


@pytest.fixture(scope="module")
def model() -> GPTModel:
    return model_of_seed(0)


def model_of_seed(seed: int) -> GPTModel:
    torch.manual_seed(seed)
    model = GPTModel(CONFIG).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=float("scale" in name), std=0.2)
    return model


def run_of(model: GPTModel, prompt_ids: tuple[int, ...] = PROMPT, settings: Settings | None = None) -> Run:
    settings = settings or Settings(9, Sampling(0.9, 20, 0.95), 7)
    steps = tuple(steps_after(model, prompt_ids, settings))
    return Run("a model", TOKENIZER.decode(prompt_ids), prompt_ids, settings, steps)


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


def test_a_new_run_grows_to_what_generate_gives_and_ends_at_the_end_of_text(small_model):
    settings = Settings(6, Sampling(0.9, 20, 0.95), 7)
    run = new_run(small_model, "a model", "Every effort moves you", settings)
    assert (run.model_name, run.prompt, run.settings, run.steps) == ("a model", "Every effort moves you", settings, ())
    assert (run.prompt_ids, run.stop_id) == ((6109, 3626, 6100, 345), 50256)
    grown = list(grow(small_model, run))
    expected = tuple(generate(small_model, [6109, 3626, 6100, 345], 6, 0.9, 20, 0.95, 7))
    assert [each.steps for each in grown] == [expected[:n] for n in range(1, 7)]
    assert [finished(each) for each in grown] == [False] * 5 + [True]
    assert finish_reason(grown[-1]) == "length"
    stop_id = expected[2].token_id
    *_, stopped = grow(small_model, replace(run, stop_id=stop_id))
    assert stopped.ids[-1] == stop_id
    assert len(stopped.steps) <= 3
    assert finished(stopped)
    assert finish_reason(stopped) == "eos"


def test_a_run_goes_on_where_it_stopped_with_one_vector_a_step_and_a_finished_one_does_not(model):
    run = run_of(model)
    begun = replace(run, steps=run.steps[:4])
    *_, grown = grow(model, begun)
    direct = run_of(model, begun.ids, Settings(5, run.settings.sampling, 7))
    assert grown.steps[:4] == begun.steps
    assert grown.steps[4:] == direct.steps
    assert [len(step.hidden) for step in grown.steps] == [5] + [1] * 8
    assert list(grow(model, run)) == []


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "empty"),
        (None, "empty"),
        ("a" * (MOST_CHARACTERS + 1), "20,001"),
        ("🧑🏽‍🚀" * 1_000, "tokens: shorten it to 4,096"),
    ],
)
def test_a_prompt_that_cannot_be_continued_is_refused(small_model, prompt, message):
    with pytest.raises(ValueError, match=message):
        new_run(small_model, "a model", prompt, Settings())


def test_the_tokens_of_a_prompt_that_stand_before_the_context_are_counted(model):
    long = run_of(model, PROMPT * 4)
    assert n_unread(long) == 20 - CONFIG.context_length
    assert n_unread(run_of(model)) == n_unread(replace(long, steps=())) == 0


def test_a_run_of_a_model_without_tokenizer_is_written_in_ids(model):
    run = new_run(model, "a model", "5 80  12", Settings(4, Sampling(0)))
    assert (run.prompt_ids, run.stop_id) == ((5, 80, 12), None)
    *_, grown = grow(model, run)
    told = record(grown, prompt_scores(model, grown))
    assert told["text"] == " ".join(map(str, grown.ids))
    assert [step["token"] for step in told["steps"]] == [str(step.token_id) for step in grown.steps]
    for prompt, said in (("text", "came without a vocabulary: write ids from 0 to 96"), (" ", "The prompt is empty")):
        with pytest.raises(ValueError, match=said):
            new_run(model, "a model", prompt, Settings())


def test_a_run_from_nothing_begins_with_the_end_of_text_and_branches_like_any_other(small_model):
    run = new_run(small_model, "a model", "", Settings(4, Sampling(0)), begin_with_end_of_text=True)
    assert (run.prompt, run.prompt_ids) == ("", (50256,))
    *_, grown = grow(small_model, run)
    assert [step.token_id for step in grown.steps] == [
        step.token_id for step in generate(small_model, [50256], 4, temperature=0)
    ]
    *_, other = branch(small_model, grown, 1, 3)
    assert other.ids[:2] == (50256, 3)
    run = new_run(small_model, "a model", "Hello, I", Settings(2), begin_with_end_of_text=True)
    *_, grown = grow(small_model, run)
    *_, other = branch(small_model, grown, 3, 7)
    assert (other.prompt, other.prompt_ids, other.begin_with_end_of_text) == ("Hello,", (50256, 15496, 11), True)


def test_a_vocabulary_without_end_of_text_cannot_begin_with_it(model):
    with pytest.raises(ValueError, match="has no end-of-text token: write a prompt"):
        new_run(model, "a model", "", Settings(), begin_with_end_of_text=True)


@pytest.mark.parametrize("position", [5, 6, 9, 13])
def test_a_branch_is_what_the_longer_prompt_gives(model, position):
    run = run_of(model)
    *_, regrown = branch(model, run, position, 3)
    longer = (*run.ids[:position], 3)
    length = len(run.ids) - len(longer)
    direct = run_of(model, longer, Settings(length, run.settings.sampling, 7)).steps if length else ()
    assert regrown.ids == longer + tuple(step.token_id for step in direct)
    assert regrown.steps[: position - 5] == run.steps[: position - 5]
    assert regrown.steps[position - 4 :] == direct
    assert (regrown.parent, regrown.parted_at, regrown.prompt_ids) == (run, position, PROMPT)


def test_a_branch_in_the_prompt_continues_the_text_before_it(model):
    run = run_of(model)
    *_, regrown = branch(model, run, 2, 3)
    assert regrown.prompt_ids == PROMPT[:2]
    assert regrown.prompt == TOKENIZER.decode(PROMPT[:2])
    assert len(regrown.steps) == run.settings.max_new_tokens
    direct = run_of(model, (*PROMPT[:2], 3), Settings(8, run.settings.sampling, 7))
    assert regrown.steps[1:] == direct.steps


def test_every_token_of_a_branch_can_be_opened_like_any_other(model):
    run = run_of(model)
    *_, first = branch(model, run, 7, 3)
    *_, nested = branch(model, first, 3, 4)
    for branched in (first, nested):
        for position in range(1, len(branched.ids)):
            expected = fresh_logits(model, branched.ids[:position])
            torch.testing.assert_close(logits_before(model, branched, position), expected, rtol=1e-4, atol=1e-4)
    assert nested.parent.parent is run


def test_the_forced_token_carries_the_probability_it_had(model):
    run = run_of(model)
    started = next(branch(model, run, 7, 3))
    forced = started.steps[-1]
    probabilities = fresh_logits(model, run.ids[:7]).softmax(0)
    assert forced.forced
    assert forced.uniform is None
    assert forced.probability == pytest.approx(float(probabilities[3]), rel=1e-4)
    assert not any(step.forced for step in run.steps)


def test_a_branch_streams_and_ends_at_the_stop_id(model):
    run = run_of(model)
    runs = list(branch(model, run, 6, 3))
    assert [len(each.ids) for each in runs] == list(range(7, len(run.ids) + 1))
    assert [len(each.ids) for each in branch(model, replace(run, stop_id=3), 6, 3)] == [7]
    stop_id = runs[-1].ids[8]
    *_, stopped = branch(model, replace(run, stop_id=stop_id), 6, 3)
    assert stopped.ids == runs[-1].ids[: runs[-1].ids.index(stop_id, 7) + 1]


@pytest.mark.parametrize(("position", "token_id"), [(0, 3), (-1, 3), (14, 3), (6, 97), (6, -1)])
def test_where_a_run_cannot_branch_it_is_refused_at_once(model, position, token_id):
    with pytest.raises(ValueError, match=r"choose a later one|is not a token"):
        branch(model, run_of(model), position, token_id)


def test_the_first_difference_is_where_a_branch_takes_another_token(model):
    run = run_of(model)
    other = (run.ids[8] + 1) % 97
    *_, regrown = branch(model, run, 8, other)
    assert first_difference(run, regrown) == 8
    assert first_difference(run, run) == len(run.ids)


def test_the_record_of_a_run_is_json_and_repeats_the_run(model):
    run = run_of(model)
    *_, regrown = branch(model, run, 8, 3)
    read = json.loads(json.dumps(record(regrown, prompt_scores(model, regrown)), allow_nan=False))
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


STEP_FIELDS = (
    "token_id",
    "probability",
    "logprob",
    "rank",
    "entropy_bits",
    "sampling_probability",
    "uniform",
    "forced",
)
SCORE_FIELDS = ("token_id", "probability", "logprob", "rank", "entropy_bits")


@pytest.mark.parametrize("kind", ["run", "branch", "branch in the prompt"])
def test_every_field_of_a_record_is_that_of_the_run(model, kind):
    run = whole = run_of(model)
    if kind != "run":
        *_, run = branch(model, whole, 8 if kind == "branch" else 3, 3)
    scores = prompt_scores(model, run)
    found = record(run, scores)
    tokens, steps = found.pop("prompt_tokens"), found.pop("steps")
    assert found == {
        "model": "a model",
        "prompt": TOKENIZER.decode(run.prompt_ids),
        "begin_with_end_of_text": False,
        "text": TOKENIZER.decode(run.ids),
        "max_new_tokens": 9,
        "temperature": 0.9,
        "top_k": 20,
        "top_p": 0.95,
        "seed": 7,
        "ids": list(run.ids),
        "prompt_perplexity": perplexity(scores),
        "parted_at": {"run": None, "branch": 8, "branch in the prompt": 3}[kind],
        "parent_ids": None if kind == "run" else list(whole.ids),
    }
    assert found["prompt_perplexity"] > 1
    unscored = dict.fromkeys(SCORE_FIELDS) | {"token_id": run.prompt_ids[0]}
    told = [unscored, *({name: getattr(score, name) for name in SCORE_FIELDS} for score in scores[1:])]
    assert tokens == [each | {"token": TOKENIZER.decode([each["token_id"]])} for each in told]
    told = [{name: getattr(step, name) for name in STEP_FIELDS} for step in run.steps]
    assert steps == [each | {"token": TOKENIZER.decode([each["token_id"]])} for each in told]
    assert [step["uniform"] is None for step in steps] == [step.forced for step in run.steps]


def test_another_model_writes_the_same_prompt_settings_and_seed(model):
    other, run = model_of_seed(1), numbered(run_of(model))
    *_, again = written_again(other, "the other", run)
    fresh = run_of(other)
    assert again.model_name == "the other"
    assert (again.prompt, again.settings) == (run.prompt, run.settings)
    assert [step.token_id for step in again.steps] == [step.token_id for step in fresh.steps] != run.ids[len(PROMPT) :]


@pytest.mark.parametrize("position", [2, len(PROMPT) + 3])
def test_a_branch_is_written_again_with_its_token_at_its_place(model, position):
    other = model_of_seed(1)
    *_, run = branch(model, numbered(run_of(model)), position, 61)
    *_, again = written_again(other, "the other", run)
    *_, expected = branch(other, numbered(run_of(other)), position, 61)
    assert again.ids == expected.ids
    assert again.ids[position] == 61
    assert again.parent is not None
    assert again.parent.model_name == again.model_name == "the other"


def test_a_branch_that_another_model_cannot_have_is_refused_with_a_reason(model):
    *_, run = branch(model, numbered(run_of(model)), 9, 61)
    shorter = replace(run, parent=replace(run.parent, settings=replace(run.settings, max_new_tokens=2)))
    with pytest.raises(ValueError, match="text ends at token 7, and the branch begins at token 10"):
        list(written_again(model, "the same", shorter))
    with pytest.raises(ValueError, match="is no token of this model"):
        list(written_again(model, "the same", replace(run, reader=TOKENIZER)))


def numbered(run: Run) -> Run:
    """The run as a model without a vocabulary has it: its prompt is ids."""
    return replace(run, prompt=" ".join(map(str, run.prompt_ids)), reader=TokenIds(CONFIG.vocab_size))

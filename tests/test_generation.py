"""The decoding loop says what a fresh forward pass, the chapter and transformers say."""

import gc
import weakref
from dataclasses import replace

import pytest
import torch
from transformers import GPT2LMHeadModel

from gpt.cache import KVCache
from gpt.config import GPTConfig
from gpt.engine.compiled_pass import Text
from gpt.files.weights import save_model
from gpt.generation import generate, logits_of, next_token_table, read_along
from gpt.model import GPTModel
from gpt.sampling import Sampling, draw, score, token_table
from gpt.seeding import uniform_numbers

CONFIG = GPTConfig(vocab_size=97, context_length=16, emb_dim=32, n_heads=2, n_layers=2)
PROMPT = [5, 80, 12, 33, 7]


def random_model(config: GPTConfig = CONFIG) -> GPTModel:
    """A model whose every parameter is random and large enough for uneven probabilities."""
    torch.manual_seed(0)
    model = GPTModel(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=float("scale" in name), std=0.2)
    return model


@pytest.fixture(scope="module")
def model() -> GPTModel:
    return random_model()


def token_ids(steps) -> list[int]:
    return [step.token_id for step in steps]


def naive_steps(model, ids, max_new_tokens, sampling, seed):
    """Section 4.7's loop without a cache: every token from a whole forward pass over the last context_length."""
    next_uniform = uniform_numbers(seed)
    for _ in range(max_new_tokens):
        with torch.no_grad():
            logits = model(torch.tensor([ids[-model.config.context_length :]]))[0, -1]
        chosen = draw(logits, sampling, next_uniform)
        yield chosen
        ids = [*ids, chosen.token_id]


@pytest.mark.parametrize("prompt_length", [1, 5, 15, 16, 17, 40])
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_with_a_cache_as_without_also_past_the_context_length(model, prompt_length, temperature):
    ids = torch.randint(97, (prompt_length,), generator=torch.Generator().manual_seed(1)).tolist()
    steps = list(generate(model, ids, 24, temperature, top_k=20, top_p=0.95, seed=9))
    naive = list(naive_steps(model, ids, 24, Sampling(temperature, 20, 0.95), seed=9))
    assert token_ids(steps) == token_ids(naive)
    for step, expected in zip(steps, naive, strict=True):
        assert step.logprob == pytest.approx(expected.logprob, abs=1e-4)
        assert step.uniform == expected.uniform


def test_the_chapters_six_greedy_tokens():
    # Section 4.7: seed 123, "Hello, I am" -> " Featureiman Byeswickattribute argue".
    torch.manual_seed(123)
    model = GPTModel(GPTConfig.preset("gpt2-124M")).eval()
    steps = generate(model, [15496, 11, 314, 716], max_new_tokens=6, temperature=0)
    assert token_ids(steps) == [27018, 24086, 47843, 30961, 42348, 7267]


@pytest.mark.parametrize("tied_head", [True, False])
def test_greedy_as_transformers(tmp_path, tied_head):
    config = replace(CONFIG, qkv_bias=True, tied_head=tied_head)
    model = random_model(config)
    save_model(model, tmp_path)
    reference = GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    expected = reference.generate(torch.tensor([PROMPT]), max_new_tokens=11, do_sample=False, pad_token_id=0)
    assert PROMPT + token_ids(generate(model, PROMPT, 11, temperature=0)) == expected[0].tolist()


def test_kept_hidden_vectors_give_the_logits_of_a_fresh_forward(model):
    steps = list(generate(model, PROMPT, 11, seed=4))  # fills the context exactly
    ids = PROMPT + token_ids(steps)
    logits = torch.cat([logits_of(model, step.hidden) for step in steps])
    fresh = model(torch.tensor([ids[:-1]]))[0]
    torch.testing.assert_close(logits, fresh, rtol=1e-4, atol=1e-4)


def test_kept_hidden_vectors_open_the_very_distribution_of_the_draw(model):
    for step in generate(model, PROMPT, 24, temperature=0.7, top_k=30, top_p=0.9, seed=4):
        row = token_table(logits_of(model, step.hidden[-1]), Sampling(0.7, 30, 0.9), 1, (step.token_id,)).tokens[-1]
        assert row.sampling_probability == step.sampling_probability
        assert (row.rank, row.probability) == (step.rank, pytest.approx(step.probability))


def test_the_first_step_keeps_a_vector_for_each_prompt_token_and_the_others_one(model):
    assert [len(step.hidden) for step in generate(model, PROMPT, 4)] == [5, 1, 1, 1]
    assert [len(step.hidden) for step in generate(model, [1] * 40, 3)] == [16, 1, 1]


def test_past_the_context_length_a_step_keeps_only_its_own_vector_in_memory(model):
    *_, last = generate(model, PROMPT, 20)
    assert last.hidden.untyped_storage().nbytes() == 4 * CONFIG.emb_dim


@pytest.mark.parametrize("n_prompt", [1, 5, 30])
def test_reading_along_keeps_what_writing_the_text_kept_to_the_bit(model, n_prompt):
    prompt = [(7 * i) % 90 for i in range(n_prompt)]
    steps = list(generate(model, prompt, max_new_tokens=20, seed=5))
    ids = [*prompt, *(step.token_id for step in steps)]
    read = list(read_along(model, ids, n_prompt))
    assert all(torch.equal(hidden, step.hidden) for hidden, step in zip(read, steps, strict=True))


@pytest.mark.parametrize("n_prompt", [0, 3, True])
def test_reading_along_needs_a_prompt_and_something_after_it(model, n_prompt):
    with pytest.raises(ValueError, match="choose 1 or more, and leave at least one"):
        read_along(model, [1, 2, 3], n_prompt)


def test_the_figures_of_a_step_are_those_of_the_full_softmax(model):
    for step in generate(model, PROMPT, 5, temperature=0.5, top_k=3):
        scored = score(logits_of(model, step.hidden[-1]), step.token_id)
        assert {name: getattr(step, name) for name in vars(scored)} == vars(scored)


def test_the_same_seed_gives_the_same_text_whatever_the_global_random_state(model):
    torch.manual_seed(1)
    first = generate(model, PROMPT, 12, seed=42)
    begun = [next(first) for _ in range(6)]
    torch.manual_seed(2)
    torch.rand(1000)
    second = list(generate(model, PROMPT, 12, seed=42))
    assert begun + list(first) == second
    assert token_ids(generate(model, PROMPT, 12, seed=43)) != token_ids(second)


def test_the_global_random_state_is_left_alone(model):
    before = torch.get_rng_state()
    list(generate(model, PROMPT, 3))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_in_training_mode_answers_without_dropout_and_stays_in_it():
    model = random_model().train()
    expected = list(generate(random_model(), PROMPT, 6))
    assert list(generate(model, PROMPT, 6)) == expected
    assert all(module.training for module in model.modules())
    assert next_token_table(model, PROMPT) == next_token_table(random_model(), PROMPT)


def test_stops_after_the_stop_id(model):
    whole = token_ids(generate(model, PROMPT, 12, seed=3))
    stop_id = whole[4]
    assert token_ids(generate(model, PROMPT, 12, seed=3, stop_id=stop_id)) == whole[: whole.index(stop_id) + 1]


@pytest.mark.parametrize("way", ["engine", "modules"])
def test_an_abandoned_iterator_lets_its_keys_and_values_go(model, way, monkeypatch):
    kept = []

    def watched(kind):
        def make(*args, **kwargs):
            made = kind(*args, **kwargs)
            kept.append(weakref.ref(made))
            return made

        return make

    for kind in (Text, KVCache):  # the engine's, and the modules'
        monkeypatch.setattr(f"gpt.engine.text_reader.{kind.__name__}", watched(kind))
    if way == "modules":
        monkeypatch.setattr("gpt.engine.text_reader.packed_model", lambda _: None)
    steps = generate(model, PROMPT, 50)
    next(steps)
    assert [each() is None for each in kept] == [False]
    steps.close()
    gc.collect()
    assert [each() for each in kept] == [None]


@pytest.mark.parametrize("ids", [PROMPT, tuple(PROMPT), torch.tensor(PROMPT), torch.tensor([PROMPT])])
def test_ids_may_be_a_sequence_or_a_tensor(model, ids):
    assert list(generate(model, ids, 3)) == list(generate(model, PROMPT, 3))
    assert next_token_table(model, ids) == next_token_table(model, PROMPT)


def test_the_next_token_table_is_that_of_a_fresh_forward_over_the_last_tokens(model):
    ids = PROMPT * 5
    table = next_token_table(model, ids, temperature=0.8, top_k=9, top_p=0.9, n=12)
    logits = model(torch.tensor([ids[-CONFIG.context_length :]]))[0, -1]
    expected = token_table(logits, Sampling(0.8, 9, 0.9), 12)
    assert [row.token_id for row in table.tokens] == [row.token_id for row in expected.tokens]
    assert [row.kept for row in table.tokens] == [row.kept for row in expected.tokens]
    assert table.entropy_bits == pytest.approx(expected.entropy_bits, abs=1e-4)
    assert table.other_probability + sum(row.probability for row in table.tokens) == pytest.approx(1)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "no tokens"),
        ([3, 97], "97 is not a token"),
        ([-1], "-1 is not a token"),
        ([1.0], "1.0 is not a token"),
        ("text", "'t' is not a token"),
        (torch.tensor([[1], [2]]), "shape"),
    ],
)
def test_ids_that_cannot_be_continued_are_refused_at_once(model, ids, message):
    for call in (generate, next_token_table):
        with pytest.raises(ValueError, match=message):
            call(model, ids)


@pytest.mark.parametrize(
    "argument",
    [{"max_new_tokens": 0}, {"max_new_tokens": 2.5}, {"seed": -1}, {"seed": 2**53}, {"seed": True}, {"top_p": 0}],
)
def test_settings_that_cannot_be_are_refused_at_once(model, argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))} is "):
        generate(model, PROMPT, **argument)


@pytest.mark.parametrize("n", [0, -3, 1.5])
def test_a_table_of_no_rows_is_refused(model, n):
    with pytest.raises(ValueError, match=f"n is {n}"):
        next_token_table(model, PROMPT, n=n)

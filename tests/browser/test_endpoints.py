"""The HTTP contract, called the way programs call it."""

from dataclasses import asdict

import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError

from gpt import Tokenizer, direct_logit_attribution, generate, load_model, next_token_table, trace


@pytest.fixture(scope="module")
def client(app):
    return Client(app, verbose=False)


def test_generate_gives_the_same_run_as_the_library(client, small_folder):
    answer = client.predict("Hello, I am", 6, 0.9, 20, 0.95, 7, api_name="/generate")
    steps = list(generate(load_model(small_folder), answer["prompt_ids"], 6, 0.9, 20, 0.95, 7))
    assert answer["prompt_ids"] == [15496, 11, 314, 716]
    assert answer["token_ids"] == [step.token_id for step in steps]
    assert answer["text"].startswith("Hello, I am")
    assert set(answer) == {"text", "prompt_ids", "token_ids", "steps", "finish_reason", "model", "seed"}
    for told, step in zip(answer["steps"], steps, strict=True):
        assert set(told) == {"token_id", "token", "probability", "logprob", "rank"}
        assert told["probability"] == pytest.approx(step.probability, rel=1e-4)
        assert told["rank"] == step.rank
    assert (answer["finish_reason"], answer["seed"]) == ("length", 7)


def test_generate_streams_what_is_new_and_at_last_the_whole_answer(client):
    *news, answer = client.submit("Hello", 5, api_name="/generate")
    assert [len(each["token_ids"]) for each in news] == [1] * 5
    for part in ("token_ids", "steps"):
        assert [item for each in news for item in each[part]] == answer[part]
    assert "Hello" + "".join(each["text"] for each in news) == answer["text"]
    assert {each["finish_reason"] for each in news} == {None}
    assert answer["finish_reason"] == "length"


def test_next_token_is_the_librarys_table(client, small_folder):
    answer = client.predict("Hello, I am", 0.7, 5, n=3, api_name="/next_token")
    table = next_token_table(load_model(small_folder), [15496, 11, 314, 716], 0.7, 5, n=3)
    assert [row["token_id"] for row in answer["tokens"]] == [row.token_id for row in table.tokens]
    assert answer["other_probability"] == pytest.approx(table.other_probability)
    assert answer["entropy_bits"] == pytest.approx(table.entropy_bits)
    keys = {"rank", "token_id", "token", "logit", "probability", "sampling_probability", "kept"}
    assert set(answer["tokens"][0]) == keys


def test_layernorm_is_the_trace_of_the_prompt(client, small_folder):
    answer = client.predict("Hello, I am", 2, "norm2", api_name="/layernorm")
    norm = trace(load_model(small_folder), [15496, 11, 314, 716]).blocks[2].norm2
    assert answer["tokens"] == ["Hello", ",", " I", " am"]
    assert set(answer) == {"tokens", "before", "normalized", "after"}
    for stage in ("before", "normalized", "after"):
        x = getattr(norm, stage)
        assert answer[stage]["mean"] == pytest.approx(x.mean(1).tolist(), abs=1e-6)
        assert answer[stage]["var"] == pytest.approx(x.var(1, correction=0).tolist(), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"prompt": ""}, "The prompt is empty"),
        ({"prompt": "a", "norm": "norm3"}, "There is no norm called 'norm3'"),
        ({"prompt": "a", "block": 3}, "block is 3"),
        ({"prompt": "a " * 100}, "do not fit"),
    ],
)
def test_layernorm_refuses_with_one_sentence(client, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(api_name="/layernorm", **arguments)


def test_attribution_gives_parts_that_sum_to_the_logit_difference(client, small_folder):
    model = load_model(small_folder)
    ids = Tokenizer().encode("Hello, I am")
    answer = client.predict("Hello, I am", " a", "#262", api_name="/attribution")
    assert set(answer) == {"token_id", "rival_id", "logit_difference", "parts"}
    assert (answer["token_id"], answer["rival_id"]) == (257, 262)
    expected = direct_logit_attribution(model, ids, 257, 262)
    assert answer["parts"] == [pytest.approx(asdict(part), abs=1e-5) for part in expected.parts]
    assert sum(part["value"] for part in answer["parts"]) == pytest.approx(answer["logit_difference"], abs=1e-4)


def test_attribution_without_names_is_of_the_likeliest_token_against_the_mean(client, small_folder):
    logits = load_model(small_folder)(torch.tensor([Tokenizer().encode("Hello, I am")]))[0, -1]
    answer = client.predict("Hello, I am", api_name="/attribution")
    assert (answer["token_id"], answer["rival_id"]) == (int(logits.argmax()), None)
    assert answer["logit_difference"] == pytest.approx(float(logits.max() - logits.mean()), abs=1e-4)


def test_attribution_of_a_text_past_the_context_is_of_its_last_tokens(client):
    long = "a" + " a" * 100
    answers = [client.predict(text, " the", api_name="/attribution") for text in (long, long + " a", "a a a")]
    difference = [answer["logit_difference"] for answer in answers]
    assert difference[0] == pytest.approx(difference[1], abs=1e-6) != pytest.approx(difference[2], abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"prompt": "a", "token": " king boy"}, "is 2 tokens, “·king” .#5822., “·boy” .#2933.: give one of them"),
        ({"prompt": "a", "rival": "#50257"}, "50257 is not a token of this model"),
        ({"prompt": "a", "token": " a", "rival": "#257"}, "Token 257 is its own rival"),
        ({"prompt": ""}, "The prompt is empty"),
    ],
)
def test_attribution_refuses_with_one_sentence(client, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(api_name="/attribution", **arguments)


def test_models_lists_every_name(client):
    infos = client.predict(api_name="/models")
    assert {"gpt2-124M-untrained", "gpt2-124M", "gpt2-1558M"} <= {info["name"] for info in infos}
    assert set(infos[0]) == {"name", "description", "parameters", "trained", "available"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"prompt": ""}, "The prompt is empty"),
        ({"prompt": "x" * 100_000}, "100,000 characters"),
        ({"prompt": "a", "max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"prompt": "a", "temperature": -1}, "temperature is -1"),
        ({"prompt": "a", "top_p": 2}, "top_p is 2"),
        ({"prompt": "a", "top_k": 2.5}, "top_k is 2.5"),
        ({"prompt": "a", "seed": -1}, "seed is -1"),
        ({"prompt": "a", "model": "gpt9"}, "There is no model called 'gpt9'"),
    ],
)
def test_wrong_arguments_get_one_sentence(client, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(api_name="/generate", **arguments)


def test_only_the_contract_is_public(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/generate", "/next_token", "/layernorm", "/calculate", "/models", "/attribution"}

"""The HTTP contract, called the way programs call it."""

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from gpt import generate, load_model, next_token_table, trace


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


def test_generate_streams_one_token_at_a_time(client):
    lengths = [len(answer["token_ids"]) for answer in client.submit("Hello", 5, api_name="/generate")]
    assert lengths == [1, 2, 3, 4, 5]


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
    assert {"/generate", "/next_token", "/layernorm", "/models"} <= set(named)
    assert set(named) <= {"/generate", "/next_token", "/layernorm", "/calculate", "/models"}

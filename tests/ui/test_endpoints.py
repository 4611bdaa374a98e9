"""What the endpoints answer, field by field, without a server: tests/browser calls them over HTTP."""

from collections.abc import Callable
from dataclasses import asdict
from inspect import isgenerator
from typing import Any

import gradio as gr
import pytest
import torch

from gpt import GPTConfig, Tokenizer, generate
from gpt.estimates.workload import Workload
from gpt.generation import next_token_table
from gpt.library import Library
from gpt.model_reference import UNTRAINED
from gpt.ui.calculator.calculation import answer
from gpt.ui.endpoint_answers import row_answer, run_answer, spread_answer
from gpt.ui.endpoints import build, calculate
from gpt.ui.host.host_options import LAPTOP
from tests.own_vocabulary import CHARACTERS, with_characters, with_ids

TOKENIZER = Tokenizer()
WITH_A_PROMPT = ("generate", "next_token", "layernorm", "attribution")


@pytest.fixture(scope="module")
def call(tmp_path_factory) -> Callable[..., Any]:
    """call(name, prompt, …) calls an endpoint of a page with three models: the default, "characters" and "ids"."""
    folder = tmp_path_factory.mktemp("own")
    places = {name: str(make(folder / name)) for name, make in (("characters", with_characters), ("ids", with_ids))}
    library = Library(UNTRAINED, local_files=True)
    with gr.Blocks() as blocks:
        build(library, LAPTOP)
    found = {fn.api_name: fn.fn for fn in blocks.fns.values()}

    def called(name: str, prompt: str, **arguments: Any) -> Any:
        model = arguments.pop("model", "characters")
        answer = found[name](prompt, **arguments, model=places.get(model, model))
        return list(answer)[-1] if isgenerator(answer) else answer

    return called


def test_every_field_of_a_generation_is_that_of_the_run(visitor, uneven_library):
    run = visitor.run
    told = run_answer(run)
    steps = told.pop("steps")
    assert told == {
        "text": TOKENIZER.decode(run.ids),
        "prompt_ids": list(run.ids[:4]),
        "token_ids": list(run.ids[4:]),
        "finish_reason": "length",
        "model": uneven_library.default,
        "seed": 11,
    }
    fields = ("token_id", "probability", "logprob", "rank")
    assert steps == [
        {name: getattr(step, name) for name in fields} | {"token": TOKENIZER.decode([step.token_id])}
        for step in run.steps
    ]


def test_a_generation_asked_for_by_its_fields_is_the_same(visitor, uneven_model):
    told = run_answer(visitor.run)
    again = generate(uneven_model, told["prompt_ids"], len(told["token_ids"]), 0.7, 30, 0.9, told["seed"])
    assert [step.token_id for step in again] == told["token_ids"]


def test_every_field_of_a_candidate_is_that_of_its_row(uneven_model):
    rows = next_token_table(uneven_model, [6109, 3626], 0.7, 5, 0.8, 8).tokens
    assert {row.cut_by for row in rows} > {""}
    for row in rows:
        fields = asdict(row)
        del fields["cut_by"]  # not in the contract
        assert row_answer(row, TOKENIZER) == fields | {"token": TOKENIZER.decode([row.token_id])}


def test_the_spread_is_mean_and_biased_variance():
    x = torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]])
    assert spread_answer(x) == {
        "mean": pytest.approx([3.0, 1.0]),
        "var": pytest.approx([14 / 3, 2.0]),
    }


def test_every_argument_of_calculate_reaches_its_own_setting():
    arguments = {
        "emb_dim": 96, "n_layers": 5, "n_heads": 3, "context_length": 128, "vocab_size": 1000, "qkv_bias": True,
        "tied_head": True, "dtype": "bfloat16", "batch_size": 3, "seq_len": 64, "mode": "training", "optimizer": "sgd",
    }  # fmt: skip
    config = GPTConfig(1000, 128, 96, 3, 5, qkv_bias=True, tied_head=True)
    expected = answer(config, Workload("bfloat16", 3, 64, "training", "sgd"))
    assert calculate(**arguments) == calculate(*arguments.values()) == expected
    assert calculate(768, 12, 12) == answer(GPTConfig(), Workload())


@pytest.mark.parametrize("name", WITH_A_PROMPT)
@pytest.mark.parametrize(("arguments", "said"), [
    ({"prompt": ""}, "The prompt is empty: type a few words for the model to continue."),
    ({"prompt": " \n", "model": "ids"}, "The prompt is empty: type a few words for the model to continue."),
    ({"prompt": "x" * 20_001}, "The prompt has 20,001 characters: shorten it to 20,000."),
    ({"prompt": "caf\u00e9"}, "\u00e9"),
    ({"prompt": "7 101", "model": "ids"}, "'101' is not a token of this model, which came without a vocabulary"),
    ({"prompt": "", "begin_with_end_of_text": True}, "This model's vocabulary has no end-of-text token"),
    ({"prompt": "So", "model": "gpt-5"}, "There is no model called 'gpt-5'"),
], ids=str)  # fmt: skip
def test_what_one_endpoint_refuses_the_others_refuse_in_the_same_sentence(call, name, arguments, said):
    with pytest.raises(gr.Error) as refused:
        call(name, **arguments)
    with pytest.raises(gr.Error) as by_generate:
        call("generate", **arguments)
    assert said in refused.value.message
    assert refused.value.message == by_generate.value.message


def test_the_answers_are_in_the_models_own_words(call):
    ids = [CHARACTERS.index(character) for character in "So it is"]
    told = call("generate", "So it is", max_new_tokens=6)
    assert told["prompt_ids"] == ids
    assert told["text"] == "So it is" + "".join(CHARACTERS[token_id] for token_id in told["token_ids"])
    assert [step["token"] for step in told["steps"]] == [CHARACTERS[token_id] for token_id in told["token_ids"]]
    assert all(row["token"] == CHARACTERS[row["token_id"]] for row in call("next_token", "So it is")["tokens"])
    assert call("layernorm", "So it is")["tokens"] == list("So it is")
    wanted = {"token": "T", "rival": "o"}
    named = call("attribution", "So it is", **wanted)
    assert (named["token_id"], named["rival_id"]) == (CHARACTERS.index("T"), CHARACTERS.index("o"))


def test_without_a_vocabulary_text_is_ids_separated_by_spaces(call):
    told = call("generate", "7 100", max_new_tokens=4, model="ids")
    assert told["prompt_ids"] == [7, 100]
    assert told["text"] == " ".join(map(str, [7, 100, *told["token_ids"]]))
    assert told["finish_reason"] == "length"
    assert call("layernorm", "7 100", model="ids")["tokens"] == ["7", "100"]
    assert call("attribution", "7 100", token="5", rival="#6", model="ids")["token_id"] == 5


@pytest.mark.parametrize("name", WITH_A_PROMPT)
def test_a_prompt_may_be_empty_once_it_begins_with_the_end_of_text(visitor, name):
    endpoint = next(fn.fn for fn in visitor.blocks.fns.values() if fn.api_name == name)
    from_nothing = endpoint("", begin_with_end_of_text=True)
    before_words = endpoint("Hello", begin_with_end_of_text=True)
    plain = endpoint("Hello")
    if name == "generate":
        from_nothing, before_words, plain = (list(each)[-1] for each in (from_nothing, before_words, plain))
        assert from_nothing["prompt_ids"] == [50256]
        assert before_words["prompt_ids"] == [50256, *plain["prompt_ids"]]
    if name == "layernorm":
        assert from_nothing["tokens"] == ["<|endoftext|>"]
        assert before_words["tokens"] == ["<|endoftext|>", *plain["tokens"]]
    assert before_words != plain

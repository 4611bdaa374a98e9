"""OpenAI's GPT-2 124M against figures that were published of it: `tests/run --real-weights FOLDER`, for who has it."""

import pytest
import torch

from gpt import GPTModel, generate, load_model, next_token_table
from gpt.tokenizer import Tokenizer

# Greedy continuation of "The dog".
GREEDY = [464, 3290, 373, 1043, 287, 257, 2214, 1474, 262, 16246, 286, 2688, 290, 2688, 27262, 13, 198, 198, 464, 3290]
LOSS = 5.331855773925781  # of "Hello world!" behind <|endoftext|>, nats a token, float32
PROBABILITIES = {
    "Data visualization empowers users to": {" visualize": 0.1578, " create": 0.0731, " see": 0.0472},
    "Artificial Intelligence is transforming the": {" way": 0.2457, " world": 0.2072, " lives": 0.0208},
}
# Of a probability, by precision: int8 weights are rounded to 255 steps a row.
TOLERANCE = {"float32": 0.0001, "bfloat16": 0.01, "int8": 0.02}


@pytest.fixture(scope="module", params=TOLERANCE)
def model(request: pytest.FixtureRequest) -> GPTModel:
    folder = request.config.getoption("--real-weights")
    if folder is None:
        pytest.skip("needs OpenAI's weights: --real-weights FOLDER")
    return load_model(folder, request.param)


def test_it_is_the_124m_with_its_own_vocabulary(model):
    assert (model.config.n_layers, model.config.emb_dim, model.config.tied_head) == (12, 768, True)
    assert model.tokenizer.encode("Hello, I am") == [15496, 11, 314, 716]


def test_the_greedy_continuation_is_the_published_one(model):
    if model.precision != "float32":
        pytest.skip("published of float32 weights")
    steps = generate(model, GREEDY[:2], len(GREEDY) - 2, temperature=0)
    assert [step.token_id for step in steps] == GREEDY[2:]


def test_the_mean_loss_is_the_published_one(model):
    ids = [model.tokenizer.end_of_text, *model.tokenizer.encode("Hello world!")]
    logprobs = model(torch.tensor([ids[:-1]]))[0].float().log_softmax(-1)
    loss = -sum(float(row[token_id]) for row, token_id in zip(logprobs, ids[1:], strict=True)) / len(ids[1:])
    assert loss == pytest.approx(LOSS, abs=1e-4 if model.precision == "float32" else 0.05)


@pytest.mark.parametrize("prompt", PROBABILITIES)
def test_the_likeliest_tokens_have_the_published_probabilities(model, prompt):
    published = PROBABILITIES[prompt]
    table = next_token_table(model, Tokenizer().encode(prompt), n=model.config.vocab_size)
    found = {model.tokenizer.decode([row.token_id]): row.probability for row in table.tokens}
    assert {token: found[token] for token in published} == pytest.approx(published, abs=TOLERANCE[model.precision])

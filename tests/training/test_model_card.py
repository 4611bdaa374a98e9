"""The model card measures the saved model and shows what anyone who repeats its settings gets."""

import re
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from gpt.config import GPTConfig
from gpt.generation import generate
from gpt.model import GPTModel
from gpt.tokenizer import Tokenizer
from gpt.training.evaluation import heldout_loss
from gpt.training.held_out_windows import windows
from gpt.training.model_card import model_card, samples
from gpt.training.schedule import Schedule
from gpt.training.training_state import Training

PARAGRAPHS = [f"Paragraph {number} says that it comes here." for number in range(40)]
TEXT = "\n\n".join(PARAGRAPHS[:20]) + "\nToo short.<|endoftext|>" + "\n\n".join(PARAGRAPHS[20:])


@pytest.fixture(scope="module")
def model() -> GPTModel:
    torch.manual_seed(0)
    model = GPTModel(GPTConfig(context_length=128, emb_dim=16, n_heads=2, n_layers=1, tied_head=True)).eval()
    model.tokenizer = Tokenizer()
    return model


@pytest.fixture(scope="module")
def held_out() -> torch.Tensor:
    return torch.tensor(Tokenizer().encode(TEXT, special=True))


def prompts_of(lines: list[str]) -> list[str]:
    return [re.match(r"\d+\. \*\*(.*?)\*\*", line).group(1) for line in lines]


def test_samples_continue_the_openings_of_every_second_of_forty_paragraphs(model, held_out):
    assert prompts_of(samples(model, held_out)) == [
        f"Paragraph {number} says that it comes" for number in range(0, 40, 2)
    ]


def test_a_sample_can_be_repeated_with_its_number_as_the_seed(model, held_out):
    third = samples(model, held_out)[2]
    prompt = "Paragraph 4 says that it comes"
    tokenizer = Tokenizer()
    steps = generate(model, tokenizer.encode(prompt), 80, temperature=0.8, top_k=50, seed=3)
    text = tokenizer.decode([step.token_id for step in steps])
    assert third == f"3. **{prompt}**" + text.replace("\n", " / ")


def test_a_held_out_text_with_few_paragraphs_gives_few_samples(model):
    held_out = torch.tensor(Tokenizer().encode("\n\n".join(PARAGRAPHS[:3])))
    assert prompts_of(samples(model, held_out)) == [f"Paragraph {number} says that it comes" for number in range(3)]
    assert samples(model, held_out[:3]) == []


@pytest.fixture(scope="module")
def trained(held_out) -> Training:
    """A training of three steps with two schedules, the second of them its best."""
    training = Training(GPTConfig(50257, 16, 16, 2, 1, drop_rate=0.1, tied_head=True), held_out[:300], seed=7)
    schedule = Schedule(steps=2, cooldown_steps=1, batch_size=2, peak_rate=1e-3)
    losses = iter([4.0, 2.0, 3.0])
    training.heldout_loss = lambda _: next(losses)
    for _ in range(3):
        training.step(replace(schedule, steps=9) if training.steps_done == 2 else schedule)
        training.measure(held_out)
    return training


def test_the_card_says_how_the_kept_weights_were_trained_and_the_loss_it_measured(model, held_out, trained):
    card = model_card(model, "fox", trained, "fable.txt", "", held_out)
    rows = dict(re.findall(r"^\| (.*?) \| (.*) \|$", card, re.MULTILINE))
    assert card.startswith("# fox\n\nA small GPT-2, trained from random weights")
    assert rows["trained on"] == f"fable.txt, 300 tokens, {len(set(held_out[:300].tolist()))} different ones"
    assert rows["kept"] == "step 2 of 3, the lowest of 3 held-out losses"
    assert rows["tokens seen"] == "64, that is 0.21 passes"
    mean = sum(list(trained.last_losses)[:2]) / 2
    assert rows["training loss"] == f"{mean:.3f} nats per token, the mean of the 2 steps before"
    settings = "cooldown_steps 1, batch_size 2, peak_rate 0.001, warmup_steps 0, weight_decay 0.05"
    assert rows["training"] == (f"after step 0: muon, steps 2, {settings}; after step 2: muon, steps 9, {settings}")
    assert rows["dropout"] == "drop_rate 0.1"
    assert rows["seed"] == "7"
    assert rows["model"].startswith("vocab_size 50257, context_length 16, emb_dim 16, n_heads 2, n_layers 1, ")
    scored = sum(len(targets) for _, targets in windows(held_out, 128))
    assert (
        rows["held-out loss"]
        == f"{heldout_loss(model, held_out):.4f} nats per token, over {scored} tokens of other text"
    )


def test_a_continued_model_says_what_it_goes_on_from(model, held_out, trained):
    assert "trained from ../hen by" in model_card(model, "fox", trained, "fable.txt", "../hen", held_out)


def test_the_commands_that_the_card_names_exist(model, held_out, trained):
    named = re.findall(r"python -m ([\w.]+)", model_card(model, "fox", trained, "fable.txt", "", held_out))
    assert sorted(named) == ["gpt.training", "gpt.training.evaluation"]
    assert all(find_spec(module) for module in named)

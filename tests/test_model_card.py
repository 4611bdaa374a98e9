"""The model card measures the saved model and shows what anyone who repeats its settings gets."""

import re

import pytest
import torch

from gpt.config import GPTConfig
from gpt.evaluation import heldout_loss
from gpt.generation import generate
from gpt.model import GPTModel
from gpt.model_card import model_card, samples
from gpt.tokenizer import Tokenizer

PARAGRAPHS = [f"Paragraph {number} says that it comes here." for number in range(40)]
TEXT = "\n\n".join(PARAGRAPHS[:20]) + "\nToo short.<|endoftext|>" + "\n\n".join(PARAGRAPHS[20:])


@pytest.fixture(scope="module")
def model() -> GPTModel:
    torch.manual_seed(0)
    return GPTModel(GPTConfig(context_length=128, emb_dim=16, n_heads=2, n_layers=1, tied_head=True)).eval()


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


def test_the_card_says_what_it_was_told_and_the_loss_it_measured(model, held_out):
    card = model_card(model, "fox", {"trained on": "a fable", "seed": 7}, held_out)
    assert card.startswith("# fox\n")
    assert "| trained on | a fable |\n| seed | 7 |\n" in card
    assert f"{heldout_loss(model, held_out):.4f} nats per token, over {len(held_out)} tokens" in card

"""The README of a trained model: what it read and how, how well it guesses, and samples nobody picked."""

from collections.abc import Mapping

from torch import Tensor

from .evaluation import heldout_loss
from .generation import generate
from .model import GPTModel
from .tokenizer import END_OF_TEXT, Tokenizer

N_SAMPLES = 20
PROMPT_WORDS = 6
SAMPLE_TOKENS = 80


def model_card(model: GPTModel, name: str, facts: Mapping[str, object], held_out: Tensor) -> str:
    """Markdown about a model as it was saved: facts on its training, its held-out loss, and samples."""
    loss = heldout_loss(model, held_out)
    rows = {**facts, "held-out loss": f"{loss:.4f} nats per token, over {len(held_out):,} tokens of other text"}
    continued = samples(model, held_out)
    lines = [
        f"# {name}",
        "",
        "A small GPT-2, trained from random weights by `python -m gpt.training`. It continues texts like the one it "
        "was trained on, and knows nothing else: what it says is not information.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in rows.items()),
        "",
        "The held-out loss is measured over the whole vocabulary by `python -m gpt.evaluation`: windows of the whole "
        "context that move by half of it, each scoring the tokens with at least half a context before them.",
        "",
        f"## {len(continued)} samples, not picked",
        "",
        f"The first {PROMPT_WORDS} words (bold) of paragraphs evenly spread over the held-out text, continued for "
        f"{SAMPLE_TOKENS} tokens at temperature 0.8 and top-k 50, with their numbers as seeds.",
        "",
        *continued,
    ]
    return "\n".join(lines) + "\n"


def samples(model: GPTModel, held_out: Tensor) -> list[str]:
    """Continuations of the openings of held-out paragraphs, as lines of a numbered list."""
    tokenizer = Tokenizer()
    text = tokenizer.decode(held_out.tolist()).replace(END_OF_TEXT, "\n")
    paragraphs = [words for line in text.splitlines() if len(words := line.split()) >= PROMPT_WORDS]
    lines = []
    n_samples = min(N_SAMPLES, len(paragraphs))
    for number in range(n_samples):
        prompt = " ".join(paragraphs[number * len(paragraphs) // n_samples][:PROMPT_WORDS])
        steps = generate(model, tokenizer.encode(prompt), SAMPLE_TOKENS, 0.8, 50, seed=number + 1)
        continuation = tokenizer.decode([step.token_id for step in steps])
        lines.append(f"{number + 1}. **{prompt}**{' / '.join(continuation.split(chr(10)))}")
    return lines

"""The README of a trained model: what it read and how, how well it guesses, and samples nobody picked."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from ..generation import generate
from ..model import GPTModel
from ..tokenizer import END_OF_TEXT, tokenizer_of
from .evaluation import heldout_loss
from .held_out_windows import tokens_scored
from .training_state import N_LAST_LOSSES, Training

N_SAMPLES = 20
PROMPT_WORDS = 6
SAMPLE_TOKENS = 80


def model_card(
    model: GPTModel, name: str, training: Training, text_name: str, start_name: str, held_out: Tensor
) -> str:
    """Markdown about a model as it was saved: how it was trained, its held-out loss, and samples.

    text_name is what it was trained on, start_name the model it went on from ("" for random weights).
    """
    scored = tokens_scored(len(held_out), model.config.context_length)
    loss = f"{heldout_loss(model, held_out):.4f} nats per token, over {scored:,} tokens of other text"
    rows = {**training_facts(training, text_name), "held-out loss": loss}
    continued = samples(model, held_out)
    lines = [
        f"# {name}",
        "",
        f"A small GPT-2, trained from {start_name or 'random weights'} by `python -m gpt.training`. It continues texts "
        "like the one it was trained on, and knows nothing else: what it says is not information.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in rows.items()),
        "",
        "The held-out loss is measured over the whole vocabulary by `python -m gpt.training.evaluation`: windows of "
        "the whole context that move by half of it, each scoring the tokens with at least half a context before them.",
        "",
        f"## {len(continued)} samples, not picked",
        "",
        f"The first {PROMPT_WORDS} words (bold) of paragraphs evenly spread over the held-out text, continued for "
        f"{SAMPLE_TOKENS} tokens at temperature 0.8 and top-k 50, with their numbers as seeds.",
        "",
        *continued,
    ]
    return "\n".join(lines) + "\n"


def card_rows(card: Path) -> dict[str, str]:
    """The table at the head of a card: what is said, by what it is about."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", card.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(rows)


def training_facts(training: Training, text_name: str) -> dict[str, str]:
    """The rows of the card that only the training knows, all of them about the weights that were kept."""
    best, config, n_tokens = training.best, asdict(training.config), len(training.windows.numbers)
    assert best is not None
    seen = best["windows_done"] * training.config.context_length
    drop_rates = {name: config.pop(name) for name in list(config) if name.startswith("drop_rate")}
    return {
        "trained on": f"{text_name}, {n_tokens:,} tokens, {len(training.vocabulary.ids):,} different ones",
        "kept": f"step {best['step']} of {training.steps_done}, the lowest of {len(training.points)} held-out losses",
        "tokens seen": f"{seen:,}, that is {seen / n_tokens:.2f} passes",
        "training loss": _training_loss(best),
        "model": _list(config) + ", stored in bfloat16",
        "training": "; ".join(_settings(entry, training) for entry in training.history) or "none",
        "dropout": _list(drop_rates),
        "seed": str(training.seed),
    }


def _training_loss(best: Mapping[str, Any]) -> str:
    if best["training_loss"] is None:
        return "none: no step made the held-out loss lower"
    return (
        f"{best['training_loss']:.3f} nats per token, the mean of the {min(best['step'], N_LAST_LOSSES)} steps before"
    )


def _settings(entry: Mapping[str, Any], training: Training) -> str:
    """The settings of some steps, and from which on they held if the training has had others."""
    settings = {name: value for name, value in entry.items() if name != "first_step"}
    since = f"after step {entry['first_step']}: " if len(training.history) > 1 else ""
    return f"{since}{training.optimizer_name}, {_list(settings)}"


def _list(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)


def samples(model: GPTModel, held_out: Tensor) -> list[str]:
    """Continuations of the openings of held-out paragraphs, as lines of a numbered list."""
    tokenizer = tokenizer_of(model)
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

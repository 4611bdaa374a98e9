"""What a model makes of a prompt at one step of its training: next tokens, deviations, every head's map and scores.

Plain lists, rounded, so that a look can be kept as JSON and drawn without the model.
Axes: L n_layers, h heads, t tokens of the prompt.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..attribution.head_scores import head_scores
from ..files.weights import load_model
from ..model import GPTModel
from ..sampling import PLAIN_SOFTMAX, token_table
from ..tokenizer import tokenizer_of
from ..tracing import trace

N_CANDIDATES = 8
SCORES = ("previous", "first", "same", "duplicate", "induction")  # shares of attention, fields of HeadScores


@dataclass(frozen=True)
class Candidate:
    """A next token as it is shown, and its probability under the plain softmax."""

    token: str
    probability: float


@dataclass(frozen=True)
class InnerLook:
    """A model after `step` steps, reading the prompt."""

    step: int
    tokens: tuple[str, ...]  # of the prompt, as they are shown
    candidates: tuple[Candidate, ...]  # likeliest first
    deviation: tuple[float, ...]  # (2L + 1,): of the last token's features, after the embeddings and every addition
    maps: tuple[tuple[tuple[tuple[float, ...], ...], ...], ...]  # (L, h, t) rows, each up to the token that looks
    scores: Mapping[str, tuple[tuple[float, ...], ...]]  # (L, h) for each of SCORES; {} where they cannot be measured


def look_inside(model: GPTModel, prompt: str, step: int) -> InnerLook:
    """Read the prompt, or as much of its end as the context holds, and keep what is shown of it."""
    reader = tokenizer_of(model)
    ids = reader.encode(prompt, special=True)[-model.config.context_length :]
    traced = trace(model, ids)
    with torch.no_grad():
        logits = model(torch.tensor([ids]))[0, -1]
    rows = token_table(logits, PLAIN_SOFTMAX, N_CANDIDATES).tokens
    return InnerLook(
        step=step,
        tokens=tuple(reader.visible(token_id) for token_id in ids),
        candidates=tuple(Candidate(reader.visible(row.token_id), round(row.probability, 6)) for row in rows),
        deviation=tuple(_rounded(traced.stream[:, -1].std(-1, correction=0).tolist(), 4)),
        maps=tuple(
            tuple(tuple(tuple(_rounded(row[: i + 1], 3)) for i, row in enumerate(head)) for head in maps)
            for maps in (block.attention.tolist() for block in traced.blocks)
        ),
        scores=_scores(model),
    )


def look_at_folder(folder: Path, prompt: str, step: int) -> InnerLook:
    """The same of a model that a training has kept. Raises WeightsError for a folder that cannot be opened."""
    return look_inside(load_model(folder), prompt, step)


def as_json(look: InnerLook) -> dict[str, Any]:
    """What `from_json` reads."""
    return asdict(look)


def from_json(kept: Mapping[str, Any]) -> InnerLook:
    """A look that was kept."""
    return InnerLook(
        step=kept["step"],
        tokens=tuple(kept["tokens"]),
        candidates=tuple(Candidate(**each) for each in kept["candidates"]),
        deviation=tuple(kept["deviation"]),
        maps=tuple(tuple(tuple(tuple(row) for row in head) for head in block) for block in kept["maps"]),
        scores={name: tuple(map(tuple, rows)) for name, rows in kept["scores"].items()},
    )


def _scores(model: GPTModel) -> dict[str, tuple[tuple[float, ...], ...]]:
    try:
        found = head_scores(model)
    except ValueError:  # a context or a vocabulary too small for the test
        return {}
    return {name: tuple(tuple(_rounded(row, 4)) for row in getattr(found, name).tolist()) for name in SCORES}


def _rounded(values: list[float], digits: int) -> list[float]:
    return [round(value, digits) for value in values]

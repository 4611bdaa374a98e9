"""Held-out loss: how surprised a model is by text it was not trained on, in nats per token.

`python -m gpt.evaluation MODEL TEXT` prints it for any file or folder that load_model opens.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from .model import GPTModel
from .tokenizer import Tokenizer
from .weights import load_model


@torch.inference_mode()
def heldout_loss(model: GPTModel, ids: Tensor) -> float:
    """Mean cross-entropy over the whole vocabulary of the tokens of ids (t,) int64 that `windows` gives."""
    total, n_tokens = 0.0, 0
    for window, targets in windows(ids, model.config.context_length):
        logits = model.out_head(model.hidden(window[None])[0, -len(targets) :])
        total += F.cross_entropy(logits, targets, reduction="sum").item()
        n_tokens += len(targets)
    return total / n_tokens


def windows(ids: Tensor, context_length: int) -> Iterator[tuple[Tensor, Tensor]]:
    """What to read of ids (t,), and the tokens that its last positions are to foresee.

    Windows of the context move by half of it, and score only what has at least half a context before it: each token
    once, the first half context not at all. Raises ValueError for a text without a token to score.
    """
    half, n_tokens = context_length // 2, len(ids)
    if n_tokens < half + 2:
        raise ValueError(f"The text has {n_tokens} tokens: a held-out loss needs at least {half + 2}.")
    for start in range(0, n_tokens - half - 1, context_length - half):
        window = ids[start : start + context_length + 1]
        yield window[:-1], window[half + 1 :]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Held-out loss of a model on a text, in nats per token.")
    parser.add_argument("model", help="a safetensors file, or a folder with one")
    parser.add_argument("text", type=Path, help="a UTF-8 text file; <|endoftext|> separates documents")
    arguments = parser.parse_args()
    ids = torch.tensor(Tokenizer().encode(arguments.text.read_text(encoding="utf-8"), special=True))
    print(f"{heldout_loss(load_model(arguments.model), ids):.4f} nats per token, {len(ids):,} tokens")


if __name__ == "__main__":
    main()

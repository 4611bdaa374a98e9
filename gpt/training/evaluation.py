"""Held-out loss: how surprised a model is by text it was not trained on, in nats per token.

`python -m gpt.training.evaluation MODEL TEXT` prints it for any file or folder that load_model opens.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..files.layouts import WeightsError
from ..files.weights import load_model
from ..model import GPTModel
from ..tokenizer import tokenizer_of
from .held_out_windows import tokens_scored, windows
from .training_texts import read_ids


def heldout_loss(model: GPTModel, ids: Tensor) -> float:
    """Mean cross-entropy over the whole vocabulary of the tokens of ids (t,) int64 that `windows` gives."""

    return mean_loss(
        ids,
        model.config.context_length,
        lambda window, targets: F.cross_entropy(last_logits(model, window, len(targets)), targets, reduction="sum"),
    )


@torch.inference_mode()
def mean_loss(ids: Tensor, context_length: int, loss: Callable[[Tensor, Tensor], Tensor]) -> float:
    """The mean over all scored tokens of ids (t,); `loss` sums over the targets (n,) of a window (t,)."""
    total, n_tokens = 0.0, 0
    for window, targets in windows(ids, context_length):
        total += loss(window, targets).item()
        n_tokens += len(targets)
    return total / n_tokens


def last_logits(model: GPTModel, window: Tensor, n: int) -> Tensor:
    """Logits (n, v), in float32, of the last n positions of a window (t,): what predicts n targets."""
    logits: Tensor = model.out_head(model.hidden(window[None])[0, -n:])
    return logits.float()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m gpt.training.evaluation",
        description="Held-out loss of a model on a text, in nats per token.",
    )
    parser.add_argument("model", help="a safetensors file, or a folder with one")
    parser.add_argument("text", type=Path, help="a UTF-8 text file; <|endoftext|> separates documents")
    arguments = parser.parse_args()
    try:
        model = load_model(arguments.model)
        ids = read_ids(arguments.text, tokenizer_of(model))
        loss = heldout_loss(model, ids)
    except (ValueError, WeightsError) as error:
        parser.error(str(error))
    scored = tokens_scored(len(ids), model.config.context_length)
    print(f"{loss:.4f} nats per token, over {scored:,} tokens")


if __name__ == "__main__":
    main()

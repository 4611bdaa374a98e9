"""Held-out loss: how surprised a model is by text it was not trained on, in nats per token.

`python -m gpt.evaluation MODEL TEXT` prints it for any file or folder that load_model opens.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from .model import GPTModel
from .tokenizer import Tokenizer
from .weights import load_model


@torch.inference_mode()
def heldout_loss(model: GPTModel, ids: Tensor) -> float:
    """Mean cross-entropy over the whole vocabulary of the tokens of ids (t,) int64.

    Windows of the model's context move by half of it, and score only what has at least half a context before it:
    each token once, the first half context not at all. Raises ValueError for a text without a token to score.
    """
    context, n_tokens = model.config.context_length, len(ids)
    half = context // 2
    if n_tokens < half + 2:
        raise ValueError(f"The text has {n_tokens} tokens: a held-out loss needs at least {half + 2}.")
    total = 0.0
    for start in range(0, n_tokens - half - 1, context - half):
        window = ids[start : start + context + 1]
        hidden = model.hidden(window[None, :-1])[0, half:]
        total += F.cross_entropy(model.out_head(hidden), window[half + 1 :], reduction="sum").item()
    return total / (n_tokens - half - 1)


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

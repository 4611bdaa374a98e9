"""The command line of `python -m gpt.training`: every option, and what it is when it is not given."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ..config import GPTConfig
from .optimizers import OPTIMIZERS

# The settings of a model that have a shorter name here, or something to say.
_FLAGS = {
    "context_length": ("--context", "--context-length"),
    "n_heads": ("--heads", "--n-heads"),
    "n_layers": ("--layers", "--n-layers"),
    "drop_rate": ("--dropout", "--drop-rate"),
}
_HELP = {
    "context_length": "tokens the model can look back on",
    "emb_dim": "width of the model",
    "n_heads": "attention heads in a block",
    "n_layers": "number of transformer blocks",
    "drop_rate": "share of the features that each step leaves out",
    "qkv_bias": "biases of queries, keys and values",
    "tied_head": "use the token embedding as the output head",
}
_SUITED = "what suits the text if not set"


def parser() -> argparse.ArgumentParser:
    """The options; sizes and counts that are not given are None."""
    made = argparse.ArgumentParser(
        prog="python -m gpt.training",
        usage="%(prog)s TEXT --out FOLDER [options]; --help lists them",
        description="Train a small GPTModel on a text: leaves a model that load_model and transformers open, and its "
        "card. The same command again goes on where it was interrupted.",
    )
    add = made.add_argument
    add("text", metavar="TEXT", type=Path, help="a UTF-8 text file; <|endoftext|> separates documents")
    add("--out", metavar="FOLDER", type=Path, required=True, help="the folder for the model and its checkpoint")
    add("--held-out", type=Path, metavar="TEXT", help="a text to measure by; without one, the end of TEXT is kept back")
    add("--from", dest="start", metavar="MODEL", help="go on from this model's weights, and with its sizes")
    _add_schedule(made.add_argument_group("how to train"))
    _add_model(made.add_argument_group("the model, where --from gives none"))
    return made


def _add_schedule(group: Any) -> None:
    add = group.add_argument
    add("--steps", type=int, help=f"how many steps in all, {_SUITED}; more than before goes on training")
    add("--batch-size", type=int, help=f"windows of the context's length in a step, {_SUITED}")
    add("--optimizer", choices=OPTIMIZERS, default=OPTIMIZERS[0], help="muon (with AdamW), or the book's plain adamw")
    add("--rate", type=float, help="the highest learning rate; 0.006 for muon and 0.001 for adamw if not set")
    add("--warmup", type=float, default=0.05, help="share of the steps over which the rate rises; 0.05 if not set")
    add("--cooldown-steps", type=int, help="over how many of the last steps the rate falls; a third if not set")
    add("--weight-decay", type=float, help="0.05 for muon and 0.1 for adamw if not set")
    add("--evaluate-every", type=int, metavar="STEPS", help="steps between held-out points; ten points if not set")
    add("--patience", type=int, metavar="POINTS", help="end after so many held-out points without a better one")
    add("--keep-steps", type=int, default=0, metavar="N", help="keep the model of N steps, 0 to the last; 0 if not set")
    add("--at-most", type=int, metavar="STEPS", help="stop after so many steps; the same command then goes on")
    add("--prompt", help="a text to continue at every held-out point; the held-out text's first words if not set")
    add("--seed", type=int, default=123, help="decides initial weights, order of the text and samples; 123 if not set")
    add("--device", default="cpu", help="where to compute: cpu, cuda or mps; cpu if not set")


def _add_model(group: Any) -> None:
    for field in model_fields():
        flags = _FLAGS.get(field, (f"--{field.replace('_', '-')}",))
        of_type = _type(get_type_hints(GPTConfig)[field])
        kind: Any = {"action": argparse.BooleanOptionalAction} if of_type is bool else {"type": of_type}
        group.add_argument(*flags, dest=field, **kind, help=_HELP.get(field, f"{field} of GPTConfig"))


def model_fields() -> list[str]:
    """The settings of GPTConfig that can be chosen: all but the vocabulary, which is the tokenizer's."""
    return [field.name for field in fields(GPTConfig) if field.name != "vocab_size"]


def _type(hint: Any) -> type:
    """int for `int` and for `int | None`."""
    found: type = next((each for each in get_args(hint) if each is not type(None)), hint)
    return found

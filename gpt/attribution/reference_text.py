"""The text over which means are taken where nobody names another: the story that comes with the bundled model."""

from pathlib import Path

from ..model import GPTModel
from ..tokenizer import tokenizer_of

PATH = Path(__file__).parents[2] / "assets" / "storyteller" / "example.txt"
_MOST_TOKENS = 128


def reference_ids(model: GPTModel) -> list[int]:
    """The first tokens of the text, as the model reads it. Raises ValueError where it cannot be read."""
    if not PATH.is_file():
        raise ValueError("The text to average over, assets/storyteller/example.txt, is missing: choose zero instead.")
    try:
        ids = tokenizer_of(model).encode(PATH.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            "This model's vocabulary cannot read the story to average over: choose zero instead."
        ) from error
    return ids[: min(_MOST_TOKENS, model.config.context_length)]

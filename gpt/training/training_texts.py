"""A text file as token ids: read, checked, and divided into what is trained on and what is held out."""

from pathlib import Path

import torch
from torch import Tensor

from ..tokenizer import AnyTokenizer
from .held_out_windows import least_tokens

# Without a text of its own, the held-out loss is measured on the end of the text: a tenth, and no more than this.
HELD_OUT_SHARE = 1 / 10
MOST_HELD_OUT = 20_000  # tokens; more would take longer to measure and say little more


def read_ids(path: Path, reader: AnyTokenizer) -> Tensor:
    """The ids (t,) int64 of a UTF-8 text file. Raises ValueError, with one sentence, for a file that is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}: give the path of a UTF-8 text.") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder: give the path of a UTF-8 text file.") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text (byte {error.object[error.start]:#04x} at position {error.start:,}): "
            f"save it as UTF-8 first."
        ) from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}): choose another file.") from None
    if not text.strip():
        raise ValueError(f"{path} is empty: give a text to learn from.")
    return torch.tensor(reader.encode(text, special=True))


def divide(ids: Tensor, context_length: int) -> tuple[Tensor, Tensor]:
    """The ids (t,) to train on, and those to measure by: the end of the text.

    Raises ValueError for a text too short to give both a window and a token to score.
    """
    least = context_length + 1 + least_tokens(context_length)
    if len(ids) < least:
        fits = (2 * len(ids) - 5) // 3
        advice = f"or a context of {fits} or less" if fits >= 1 else "there is too little to learn from in this one"
        raise ValueError(
            f"The text has {len(ids)} tokens: with a context of {context_length}, training and measuring need at least "
            f"{least}, so take a longer text, {advice}."
        )
    n_held_out = max(least_tokens(context_length), min(round(len(ids) * HELD_OUT_SHARE), MOST_HELD_OUT))
    return ids[:-n_held_out], ids[-n_held_out:]

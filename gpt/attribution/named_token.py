"""The token that a person means: a text of exactly one token, or # and an id."""

from ..model import GPTModel
from ..tokenizer import AnyTokenizer
from .forward_pass import checked_token

_MOST_CHARACTERS = 1000  # of a text that may be one token; GPT-2's longest has 128


def one_token(model: GPTModel, tokenizer: AnyTokenizer, text: str) -> int:
    """The id of a text. Raises ValueError for a text of no token or several, and for an id the model does not have."""
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"A text of {len(text):,} characters is more than one token: give one, or # and its id.")
    number = text.removeprefix("#")
    if number != text and number.isdecimal():
        return checked_token(model, int(number))
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError("No token is named: give a text of exactly one token, or # and its id.")
    if len(ids) > 1:
        pieces = ", ".join(f"“{tokenizer.visible(token_id)}” (#{token_id})" for token_id in ids[:8])
        more = ", …" if len(ids) > 8 else ""
        raise ValueError(f"{text[:80]!r} is {len(ids)} tokens, {pieces}{more}: give one of them.")
    return checked_token(model, ids[0])

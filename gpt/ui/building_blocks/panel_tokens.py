"""Which tokens of a run a panel works on, and how it writes them in HTML."""

from collections.abc import Sequence
from html import escape

from ...library import LoadedModel
from ...tokenizer import AnyTokenizer, tokenizer_of
from ...tracing import WINDOW


def last_tokens(ids: Sequence[int], loaded: LoadedModel, most: int = WINDOW) -> tuple[int, ...]:
    """The last of these tokens, as many as a panel works on and the model reads."""
    return tuple(ids[-min(most, loaded.model.config.context_length) :])


def model_and_tokens(loaded: LoadedModel, ids: Sequence[int], of: Sequence[int]) -> str:
    """HTML that says which model and which tokens the figures come from: ids, the last of the tokens `of`."""
    cut = "" if len(ids) == len(of) else f", the last {len(ids)} of {len(of):,} tokens"
    return f"{escape(loaded.name)} on {tokens_html(tokenizer_of(loaded.model), ids, 12)}{cut}"


def tokens_html(reader: AnyTokenizer, ids: Sequence[int], most: int) -> str:
    """The last `most` tokens as they are on the strip, white space visible."""
    dots = "… " if len(ids) > most else ""
    return dots + "".join(token_html(reader, token_id) for token_id in ids[-most:])


def token_html(reader: AnyTokenizer, token_id: int, kind: str = "") -> str:
    """One token in a box, its id on hover."""
    return f'<span class="piece {kind}" title="id {token_id}">{escape(reader.visible(token_id))}</span>'

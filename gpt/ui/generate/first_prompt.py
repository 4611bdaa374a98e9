"""The prompt that the page comes with, for models that cannot read it: they get one in tokens that they have."""

from ...tokenizer import AnyTokenizer

DEFAULT_PROMPT = "Every effort moves you"

_N_TOKENS = 3  # of a prompt that is made up from the vocabulary


def readable(reader: AnyTokenizer, prompt: str) -> str:
    """The prompt itself, unless it is the one that nobody typed and the vocabulary has no words for it."""
    if prompt != DEFAULT_PROMPT or _ids(reader, prompt):
        return prompt
    ids = (token_id for token_id in range(reader.vocab_size) if _stands_for_itself(reader, token_id))
    return reader.decode([token_id for token_id, _ in zip(ids, range(_N_TOKENS), strict=False)])


def _stands_for_itself(reader: AnyTokenizer, token_id: int) -> bool:
    text = reader.decode([token_id])
    return bool(text.strip()) and _ids(reader, text) == [token_id]


def _ids(reader: AnyTokenizer, text: str) -> list[int]:
    """No ids for a text that the vocabulary cannot express."""
    try:
        return reader.encode(text)
    except ValueError:
        return []

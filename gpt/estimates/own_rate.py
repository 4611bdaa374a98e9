"""How long this app takes to read a prompt and one more token with a loaded model, for comparison with a roofline."""

from dataclasses import dataclass
from time import perf_counter

from ..engine.text_reader import TextReader, text_reader
from ..model import GPTModel

_SINGLES = 8  # tokens read one by one; the shortest time counts, because others may be busy on the machine


@dataclass(frozen=True)
class OwnRate:
    """Seconds for a prompt of n_tokens, and for one more token at the end of a text that is n_tokens long."""

    n_tokens: int
    prompt_seconds: float
    token_seconds: float


def own_rate(model: GPTModel, n_tokens: int) -> OwnRate:
    """Read n_tokens at once, then again with the last few one by one. Raises ValueError for a length it cannot read."""
    longest = model.config.context_length
    if not 1 <= n_tokens <= longest:
        raise ValueError(f"seq_len is {n_tokens:,} and the loaded model can be timed with 1 to {longest:,} tokens.")
    ids = [place % model.config.vocab_size for place in range(n_tokens)]
    first = min(max(1, n_tokens - _SINGLES), n_tokens - 1)  # a text's only token has nothing before it
    reader = text_reader(model, n_tokens)
    try:
        prompt_seconds = _seconds(reader, ids)
        reader.restart()
        if first:
            reader.read(ids[:first])
        token_seconds = min(_seconds(reader, [token]) for token in ids[first:])
    finally:
        reader.close()
    return OwnRate(n_tokens, prompt_seconds, token_seconds)


def _seconds(reader: TextReader, ids: list[int]) -> float:
    start = perf_counter()
    reader.read(ids)
    return perf_counter() - start

"""Which tokens of a held-out text are scored, and what is read before each of them."""

from collections.abc import Iterator

from torch import Tensor


def windows(ids: Tensor, context_length: int) -> Iterator[tuple[Tensor, Tensor]]:
    """What to read of ids (t,), and the tokens that its last positions have to predict.

    Each window starts half a context after the one before. It scores only tokens with at least half a context before
    them, so each token is scored once, and the first half context never. Raises ValueError for a text without a token
    to score.
    """
    check_can_be_scored(len(ids), context_length)
    half = context_length // 2
    for start in range(0, len(ids) - half - 1, context_length - half):
        window = ids[start : start + context_length + 1]
        yield window[:-1], window[half + 1 :]


def least_tokens(context_length: int) -> int:
    """The tokens of the shortest text that can be scored: half a context, one more to read, one to score."""
    return context_length // 2 + 2


def tokens_scored(n_tokens: int, context_length: int) -> int:
    """How many of a text's n_tokens `windows` scores."""
    return n_tokens - least_tokens(context_length) + 1


def check_can_be_scored(n_tokens: int, context_length: int) -> None:
    """Raise ValueError when a text of n_tokens has no token to score."""
    least = least_tokens(context_length)
    if n_tokens < least:
        raise ValueError(
            f"The held-out text has {n_tokens} tokens: with a context of {context_length}, a held-out loss needs at "
            f"least {least}, so take a longer text or a shorter context."
        )

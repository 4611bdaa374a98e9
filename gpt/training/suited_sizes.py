"""Sizes and counts that suit a text: what the trainer takes where nothing else is asked for."""

from dataclasses import dataclass
from math import ceil

SIZE = ("emb_dim", "n_layers", "n_heads", "context_length")  # what is chosen to suit a text


@dataclass(frozen=True)
class Suited:
    """A model and a way to train it, for texts of up to so many tokens."""

    up_to: float
    emb_dim: int
    n_layers: int
    n_heads: int
    context_length: int
    batch_size: int
    passes: float  # how often the text is read
    measured_on: int | None  # tokens of a text of which further passes made the held-out loss worse, if that was tried

    def steps(self, n_tokens: int, context_length: int, batch_size: int) -> int:
        """So many steps read a text of n_tokens `passes` times, or MOST_TOKENS of it."""
        tokens = min(self.passes * n_tokens, MOST_TOKENS)
        return max(1, ceil(tokens / (batch_size * context_length)))


MOST_TOKENS = 4_100_000  # about an hour on two cores; whoever has more time asks for more steps
# Measured on parts of a collection of children's books, 5 and 85 thousand tokens long, and on all of it. Dropout of 0.1
# and 0.2 made the loss of so few passes worse.
_BY_SIZE = (
    Suited(20_000, emb_dim=64, n_layers=2, n_heads=2, context_length=128, batch_size=2, passes=6, measured_on=5_000),
    Suited(400_000, emb_dim=128, n_layers=4, n_heads=4, context_length=128, batch_size=8, passes=4, measured_on=85_000),
    Suited(
        float("inf"), emb_dim=256, n_layers=8, n_heads=4, context_length=256, batch_size=16, passes=4, measured_on=None
    ),
)

# The smallest training that learns to write the bundled stories.
SMALLEST: dict[str, int] = {
    "emb_dim": 64,
    "n_layers": 3,
    "n_heads": 4,
    "context_length": 64,
    "batch_size": 16,
    "steps": 1000,
}


def suited(n_tokens: int) -> Suited:
    """What suits a text of n_tokens."""
    return next(each for each in _BY_SIZE if n_tokens <= each.up_to)

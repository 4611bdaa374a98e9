"""Which windows of a text a step reads: every pass cuts the text at other places and shuffles the pieces."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TextWindows:
    """A text as an endless row of windows, the same for the same seed wherever one begins to read.

    Raises ValueError for a text without a window.
    """

    numbers: Tensor  # (t,) int64
    context_length: int
    seed: int

    def __post_init__(self) -> None:
        n_tokens = len(self.numbers)
        if n_tokens <= self.context_length:
            raise ValueError(
                f"The text to train on has {n_tokens} tokens: a context of {self.context_length} needs at least "
                f"{self.context_length + 1}, so take a longer text or a shorter context."
            )

    def read(self, first: int, n: int) -> Tensor:
        """The n windows (n, context + 1) from number `first` on."""
        context = self.context_length
        in_pass = max(1, (len(self.numbers) - context) // context)
        wanted = torch.arange(first, first + n)
        starts = torch.empty(n, dtype=torch.int64)
        for text_pass in (wanted // in_pass).unique().tolist():
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + text_pass)
            spare = len(self.numbers) - 1 - in_pass * context
            offset = torch.randint(spare + 1, (), generator=generator)
            order = torch.randperm(in_pass, generator=generator)
            now = wanted // in_pass == text_pass
            starts[now] = offset + context * order[wanted[now] % in_pass]
        return self.numbers[starts[:, None] + torch.arange(context + 1)]

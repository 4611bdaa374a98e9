"""The placeholder model of section 4.1, and the real parts put into it one by one.

A part that is missing passes its input on unchanged, as the chapter's DummyTransformerBlock and DummyLayerNorm do.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import inf, log
from typing import cast

import torch
from torch import Tensor, nn

from .cache import KVCache
from .generation import checked_ids
from .model import GPTModel, TransformerBlock
from .sampling import Sampling, TokenRow, token_table
from .tracing import structural_copy

# The parts of a block in the order the chapter brings them, and the section that does.
PARTS = {"LayerNorm": "4.2", "feed-forward": "4.3", "shortcuts": "4.4", "attention": "4.5"}

_UNCHANGED = Sampling(temperature=1.0, top_k=0, top_p=1.0)


class PartialBlock(nn.Module):
    """A transformer block of which only the named parts of `PARTS` work. Takes and gives (b, t, d), no dropout."""

    def __init__(self, block: nn.Module, parts: Collection[str]) -> None:
        super().__init__()
        self.block = cast(TransformerBlock, block)
        self.parts = frozenset(parts)

    def forward(self, x: Tensor, cache: KVCache | None = None, layer: int = 0) -> Tensor:  # (b, t, d) -> (b, t, d)
        if "attention" in self.parts:
            x = self._join(x, self.block.att(self._normalize(self.block.norm1, x), cache, layer))
        if "feed-forward" in self.parts:
            x = self._join(x, self.block.ff(self._normalize(self.block.norm2, x)))
        return x

    def _normalize(self, norm: nn.Module, x: Tensor) -> Tensor:
        return norm(x) if "LayerNorm" in self.parts else x

    def _join(self, x: Tensor, change: Tensor) -> Tensor:
        return x + change if "shortcuts" in self.parts else change


def with_parts(model: GPTModel, parts: Collection[str]) -> GPTModel:
    """The model's embeddings and output head, weights shared, with only the named `PARTS` between them.

    No parts make the chapter's DummyGPTModel, all of them the model itself. Raises ValueError for an unknown part.
    """
    unknown = sorted(set(parts) - PARTS.keys())
    if unknown:
        raise ValueError(f"There is no part called {unknown[0]!r}: choose from {', '.join(PARTS)}.")
    partial = structural_copy(model).eval()
    partial.trf_blocks = nn.ModuleList(PartialBlock(block, parts) for block in partial.trf_blocks)
    if "LayerNorm" not in parts:
        partial.set_submodule("final_norm", nn.Identity())
    return partial


@dataclass(frozen=True)
class PartsResult:
    """What the model with only `parts` says comes next, against the whole model."""

    parts: tuple[str, ...]
    tokens: tuple[TokenRow, ...]  # the likeliest next tokens; none when the numbers overflowed
    divergence_bits: float  # Kullback-Leibler, from the whole model's next-token distribution to this one
    overlap: float  # probability the two distributions place alike, 0 to 1


def swap_in(model: GPTModel, ids: Sequence[int] | Tensor, n: int = 5) -> tuple[PartsResult, ...]:
    """The placeholder model, then one more real part at a time in the chapter's order, up to the whole model."""
    names = tuple(PARTS)
    return compare_parts(model, ids, [names[:count] for count in range(len(names) + 1)], n)


def compare_parts(
    model: GPTModel, ids: Sequence[int] | Tensor, choices: Sequence[Collection[str]], n: int = 5
) -> tuple[PartsResult, ...]:
    """The next token after ids (a list, (t,) or (1, t)), by the model with only the parts of each choice.

    Raises ValueError for unknown parts, and for ids that are not the model's or too many for it.
    """
    listed = checked_ids(model, ids)
    whole = _next_token_logits(model, listed)
    results = []
    for parts in choices:
        logits = _next_token_logits(with_parts(model, parts), listed)
        results.append(_compare(tuple(name for name in PARTS if name in parts), logits, whole, n))
    return tuple(results)


def _compare(parts: tuple[str, ...], logits: Tensor, whole: Tensor, n: int) -> PartsResult:
    if not bool(logits.isfinite().all()):
        return PartsResult(parts, (), inf, 0.0)
    found, expected = logits.double().log_softmax(0), whole.double().log_softmax(0)
    nats = float((expected.exp() * (expected - found)).sum())
    # One less what lies elsewhere: exactly 1 for equal distributions, however their own sums are rounded.
    overlap = 1 - float((found.exp() - expected.exp()).abs().sum()) / 2
    return PartsResult(parts, token_table(logits, _UNCHANGED, n).tokens, nats / log(2), overlap)


@torch.no_grad()
def _next_token_logits(model: GPTModel, ids: list[int]) -> Tensor:
    return model.out_head(model.hidden(torch.tensor([ids]))[0, -1]).float()

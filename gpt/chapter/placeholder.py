"""The placeholder model of section 4.1, and the real components put into it one by one.

A missing component returns its input unchanged, as the chapter's DummyTransformerBlock and DummyLayerNorm do.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import inf, log
from typing import cast

import torch
from torch import Tensor, nn

from ..cache import KVCache
from ..generation import checked_ids
from ..model import GPTModel, TransformerBlock
from ..sampling import PLAIN_SOFTMAX, TokenRow, token_table
from ..tracing import structural_copy

# The components of a block in the chapter's order, each with its section.
PARTS = {"LayerNorm": "4.2", "feed-forward": "4.3", "shortcuts": "4.4", "attention": "4.5"}


class PartialBlock(nn.Module):
    """A transformer block with only the named components of `PARTS`. (b, t, d) -> (b, t, d), without dropout."""

    def __init__(self, block: nn.Module, parts: Collection[str]) -> None:
        super().__init__()
        self.block = cast(TransformerBlock, block)
        self.parts = frozenset(parts)

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:  # (b, t, d) -> (b, t, d)
        if "attention" in self.parts:
            x = self._join(x, self.block.att(self._normalize(self.block.norm1, x), cache))
        if "feed-forward" in self.parts:
            x = self._join(x, self.block.ff(self._normalize(self.block.norm2, x)))
        return x

    def _normalize(self, norm: nn.Module, x: Tensor) -> Tensor:
        return norm(x) if "LayerNorm" in self.parts else x

    def _join(self, x: Tensor, change: Tensor) -> Tensor:
        return x + change if "shortcuts" in self.parts else change


def with_parts(model: GPTModel, parts: Collection[str]) -> GPTModel:
    """The model's embeddings and output head, weights shared, with only the named `PARTS` between them.

    Without any it is the chapter's DummyGPTModel, with all of them the model. Raises ValueError for an unknown name.
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
    """The next token by the model with only `parts`, compared with the whole model."""

    parts: tuple[str, ...]
    tokens: tuple[TokenRow, ...]  # the likeliest next tokens; none when the numbers overflowed
    divergence_bits: float  # Kullback-Leibler, from the whole model's next-token distribution to this one
    overlap: float  # of the two distributions: the probability they share, 0 to 1


def compare_parts(
    model: GPTModel, ids: Sequence[int] | Tensor, choices: Sequence[Collection[str]], n: int = 5
) -> tuple[PartsResult, ...]:
    """The next token after ids (a list, (t,) or (1, t)), by the model with only the components of each choice.

    Raises ValueError for unknown components, and for ids that are not the model's or too many for it.
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
    # Computed from the difference, so that equal distributions give exactly 1, however their sums are rounded.
    overlap = 1 - float((found.exp() - expected.exp()).abs().sum()) / 2
    return PartsResult(parts, token_table(logits, PLAIN_SOFTMAX, n).tokens, nats / log(2), overlap)


@torch.no_grad()
def _next_token_logits(model: GPTModel, ids: list[int]) -> Tensor:
    logits: Tensor = model.out_head(model.hidden(torch.tensor([ids]))[0, -1])
    return logits.float()

"""Exercise 4.3: a dropout rate of its own for each of the three places, and what it does to a pass.

Axes: t tokens, v vocab_size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import DropRates
from ..generation import checked_ids
from ..model import GPTModel, watched
from ..sampling import PLAIN_SOFTMAX, TokenRow, token_table
from ..seeding import seeded
from ..tracing import structural_copy

# The places in the order of a pass: the module's name in the model, and the field of the configuration.
PLACES = {"drop_emb": "drop_rate_emb", "dropout": "drop_rate_attn", "drop_shortcut": "drop_rate_shortcut"}


@dataclass(frozen=True)
class Dropped:
    """What happened at one place in one pass: of so many numbers that were not 0, how many became 0."""

    place: str  # a key of PLACES
    rate: float
    numbers: int
    zeroed: int


@dataclass(frozen=True)
class DropoutPass:
    """One pass: what was dropped, and the likeliest next tokens. Without dropout nothing is."""

    seed: int | None  # None: without dropout
    dropped: tuple[Dropped, ...]
    tokens: tuple[TokenRow, ...]


@torch.no_grad()
def dropout_passes(
    model: GPTModel, ids: Sequence[int] | Tensor, rates: DropRates, seeds: Sequence[int], n: int = 3
) -> tuple[DropoutPass, ...]:
    """One pass without dropout, then one in training mode for each seed, with a rate for each of the three places.

    ids is a list, (t,) or (1, t). The model is not changed. Raises ValueError for a rate that is no probability
    below 1, and for ids that are not the model's.
    """
    for place, rate in zip(PLACES.values(), rates, strict=True):
        if not 0 <= rate < 1:
            raise ValueError(f"{place} is {rate}: it is a probability, at least 0 and below 1.")
    batch = torch.tensor([checked_ids(model, ids)])
    plain = DropoutPass(None, (), _likeliest(model, batch, n))
    return (plain, *(_pass(model, batch, rates, seed, n) for seed in seeds))


def _pass(model: GPTModel, batch: Tensor, rates: DropRates, seed: int, n: int) -> DropoutPass:
    twin = structural_copy(model).train()
    counts = {place: [0, 0] for place in PLACES}
    for name, module in twin.named_modules():
        place = name.rpartition(".")[2]
        if isinstance(module, nn.Dropout):
            module.p = rates[list(PLACES).index(place)]
            module.register_forward_hook(_counting(counts[place]))
    # Torch's single call for attention would pass by a dropout whose rate is 0.
    with seeded(seed), watched():
        tokens = _likeliest(twin, batch, n)
    dropped = (Dropped(place, rate, *counts[place]) for place, rate in zip(PLACES, rates, strict=True))
    return DropoutPass(seed, tuple(dropped), tokens)


def _counting(count: list[int]) -> Callable[..., None]:
    def hook(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        live = args[0] != 0  # attention weights of tokens still to come are 0 already
        count[0] += int(live.sum())
        count[1] += int((live & (output == 0)).sum())

    return hook


def _likeliest(model: GPTModel, batch: Tensor, n: int) -> tuple[TokenRow, ...]:
    logits: Tensor = model.out_head(model.hidden(batch)[0, -1])
    return token_table(logits.float(), PLAIN_SOFTMAX, n).tokens

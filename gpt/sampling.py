"""From logits to the distribution a token is drawn from: temperature, top-k, top-p, renormalise.

Everything is computed over the whole vocabulary, in float64. The figures shown are the figures used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log, nan
from sys import float_info

import torch
from torch import Tensor

from .engine.logits import all_finite, rank, softmax, softmax_sums, top_k


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen. temperature 0 is greedy, top_k 0 and top_p 1.0 are off.

    Raises ValueError for a value out of range.
    """

    temperature: float = 0.8
    top_k: int = 50
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not _is_number(self.temperature) or self.temperature < 0:
            raise ValueError(f"temperature is {self.temperature}: choose a number of 0 (greedy) or more.")
        if not _is_number(self.top_k) or self.top_k != int(self.top_k) or self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k}: choose a whole number, 0 to keep every token.")
        if not _is_number(self.top_p) or not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}: choose a number above 0 and up to 1 (1 keeps every token).")

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken without a draw."""
        return self.temperature == 0


@dataclass(frozen=True)
class Scored:
    """The figures of one token, all under the softmax over the whole vocabulary at temperature 1."""

    token_id: int
    probability: float
    logprob: float  # nats
    rank: int  # 1 is the likeliest; of equal logits the lower id comes first
    entropy_bits: float  # of the whole distribution


@dataclass(frozen=True)
class Draw(Scored):
    """A chosen token: the probability it was drawn with, and the random number that chose it."""

    sampling_probability: float
    uniform: float | None  # in [0, 1); None when nothing was drawn


@dataclass(frozen=True)
class TokenRow:
    """One candidate: its figures under the full softmax, and its probability under the sampling settings."""

    rank: int
    token_id: int
    logit: float
    probability: float  # softmax over the whole vocabulary at temperature 1
    sampling_probability: float  # after temperature, top-k, top-p and renormalising; 0 when cut
    kept: bool
    cut_by: str  # "", "greedy", "top-k" or "top-p"


@dataclass(frozen=True)
class TokenTable:
    """Some tokens as rows, all the others as sums, and the logarithms of the denominators of the two softmaxes."""

    tokens: tuple[TokenRow, ...]
    other_probability: float
    entropy_bits: float
    other_count: int
    other_kept: int  # how many of the others the filters keep
    other_sampling_probability: float
    log_sum: float  # ln of the sum of e^logit over the whole vocabulary
    kept_log_sum: float  # ln of the sum of e^(logit / temperature) over the kept tokens; nan when greedy


@dataclass(frozen=True)
class Kept:
    """The tokens that the filters keep, in order of id, with probabilities (float64) that sum to 1."""

    ids: Tensor
    probabilities: Tensor
    top_k_ids: Tensor  # what top-k alone would have kept


def keep(logits: Tensor, sampling: Sampling) -> Kept:
    """Temperature, then top-k, then top-p, then renormalise, on the logits (v,) of one position.

    Tokens whose logit equals the k-th are kept too. The token that crosses top_p is kept.
    """
    _check_finite(logits)
    if sampling.greedy:
        best = logits.argmax().view(1)
        return Kept(best, torch.ones(1, dtype=torch.float64), best)
    ids, scores = _top_k(logits, sampling.top_k)
    probabilities = softmax(scores, sampling.temperature)
    if sampling.top_p == 1:
        return Kept(ids, probabilities, ids)
    inside = _top_p(scores, probabilities, sampling.top_p)
    return Kept(ids[inside], probabilities[inside] / _sum(probabilities[inside]), ids)


def draw(logits: Tensor, sampling: Sampling, next_uniform: Callable[[], float]) -> Draw:
    """Choose the next token from logits (v,).

    The kept tokens divide [0, 1) into intervals, in order of id. A uniform random number picks one of them:
    next_uniform gives numbers in [0, 1), as `gpt.seeding.uniform_numbers` does.
    """
    kept = keep(logits, sampling)
    uniform = None if sampling.greedy else next_uniform()
    index = 0 if uniform is None else pick(kept.probabilities, uniform)
    scored = score(logits, int(kept.ids[index]))
    return Draw(**vars(scored), sampling_probability=float(kept.probabilities[index]), uniform=uniform)


def force(logits: Tensor, sampling: Sampling, token_id: int) -> Draw:
    """A token that a person chose, with the figures that `draw` would have given it."""
    kept = keep(logits, sampling)
    sampling_probability = float(kept.probabilities[kept.ids == token_id].sum())
    return Draw(**vars(score(logits, token_id)), sampling_probability=sampling_probability, uniform=None)


def pick(probabilities: Tensor, uniform: float) -> int:
    """The index of the interval that holds `uniform`, when the probabilities (n,) divide [0, 1) in their order."""
    ends = probabilities.cumsum(0)
    index = int(torch.searchsorted(ends, uniform * ends[-1], right=True))
    # By rounding, `uniform` may lie at the very end, where tokens of probability 0 follow.
    return index if index < len(ends) else int(torch.searchsorted(ends, ends[-1]))


def stretch(logits: Tensor, sampling: Sampling, token_id: int) -> tuple[float, float]:
    """The interval of uniform numbers, start and end, for which `draw` takes token_id from logits (v,)."""
    kept = keep(logits, sampling)
    before = _sum(kept.probabilities[kept.ids < token_id])
    return before, before + float(kept.probabilities[kept.ids == token_id].sum())


def score(logits: Tensor, token_id: int) -> Scored:
    """The figures of one token under logits (v,)."""
    largest, log_total, entropy = softmax_sums(logits)
    logprob = float(logits[token_id]) - largest - log_total
    return Scored(token_id, exp(logprob), logprob, rank(logits, token_id), entropy)


def token_table(logits: Tensor, sampling: Sampling, n: int, extra_ids: tuple[int, ...] = ()) -> TokenTable:
    """The n likeliest tokens of logits (v,), then those of `extra_ids` that are not among them, each with its rank."""
    kept = keep(logits, sampling)
    largest, log_total, entropy = softmax_sums(logits)
    probabilities = (logits.double() - largest - log_total).exp()
    sampling_probabilities = torch.zeros_like(probabilities)
    sampling_probabilities[kept.ids] = kept.probabilities
    is_kept, in_top_k = (torch.zeros(len(logits), dtype=torch.bool) for _ in range(2))
    is_kept[kept.ids] = in_top_k[kept.top_k_ids] = True

    def row(token_id: int, place: int) -> TokenRow:
        filter_name = "greedy" if sampling.greedy else "top-p" if in_top_k[token_id] else "top-k"
        return TokenRow(
            rank=place,
            token_id=token_id,
            logit=float(logits[token_id]),
            probability=float(probabilities[token_id]),
            sampling_probability=float(sampling_probabilities[token_id]),
            kept=bool(is_kept[token_id]),
            cut_by="" if is_kept[token_id] else filter_name,
        )

    ranks = {token_id: place for place, token_id in enumerate(likeliest(logits, n), 1)}
    ranks |= {token_id: rank(logits, token_id) for token_id in extra_ids if token_id not in ranks}
    other = torch.ones_like(is_kept)
    other[list(ranks)] = False
    return TokenTable(
        tokens=tuple(row(token_id, place) for token_id, place in ranks.items()),
        other_probability=_sum(probabilities[other]),
        entropy_bits=entropy,
        other_count=int(other.sum()),
        other_kept=int(is_kept[other].sum()),
        other_sampling_probability=_sum(sampling_probabilities[other]),
        log_sum=largest + log_total,
        kept_log_sum=_kept_log_sum(logits[kept.ids], sampling),
    )


def likeliest(logits: Tensor, n: int) -> list[int]:
    """The ids of the n largest of logits (v,), largest first, equal ones in order of id."""
    return _largest_first(logits, min(n, len(logits)))[:n].tolist()


def _kept_log_sum(kept_logits: Tensor, sampling: Sampling) -> float:
    if sampling.greedy:
        return nan
    scores = kept_logits.double()
    largest = scores.max()
    below = (scores - largest) / sampling.temperature
    return float(largest / sampling.temperature) + log(_sum(below.exp()))


def _top_k(logits: Tensor, k: float) -> tuple[Tensor, Tensor]:
    """Ids and float64 scores, by id, of the k largest logits (v,) and those equal to the k-th; of all for k 0."""
    if k == 0 or k >= len(logits):
        return torch.arange(len(logits)), logits.double()
    ids = top_k(logits, int(k))
    return ids, logits[ids].double()


def _top_p(scores: Tensor, probabilities: Tensor, p: float) -> Tensor:
    """The indices, in order, of the fewest of n tokens, the likeliest first, whose probabilities reach p."""
    order = _enough_for(p, scores, probabilities)
    crossing = int(torch.searchsorted(probabilities[order].cumsum(0), p))
    inside = torch.zeros(len(scores), dtype=torch.bool)
    inside[order[: crossing + 1]] = True
    return inside.nonzero().flatten()


def _enough_for(p: float, scores: Tensor, probabilities: Tensor) -> Tensor:
    """The indices of the likeliest tokens, largest first, at least as many as reach p: a full sort is slow."""
    for n in (512, 8192):
        if n < len(scores):
            order = _largest_first(scores, n)
            if _sum(probabilities[order]) > p:
                return order
    return _largest_first(scores, len(scores))


def _sum(values: Tensor) -> float:
    """The sum of values (n,) one after the other: torch's own depends on its threads and the processor's vectors."""
    return float(values.cumsum(0)[-1]) if len(values) else 0.0


def _largest_first(values: Tensor, n: int) -> Tensor:
    """The indices of the n largest of values (v,) and those equal to the n-th, largest first, equal ones in order."""
    indices = (values >= values.kthvalue(len(values) - n + 1).values).nonzero().flatten()
    return indices[values[indices].sort(descending=True, stable=True).indices]


def _check_finite(logits: Tensor) -> None:
    if not all_finite(logits):
        raise ValueError("The model's scores are not finite numbers: its weights are damaged, so load another file.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= float_info.max


# Settings that change nothing: the plain softmax, as in section 4.7.
PLAIN_SOFTMAX = Sampling(temperature=1.0, top_k=0, top_p=1.0)

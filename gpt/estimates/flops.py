"""How many floating-point operations a GPT model takes, and how long they take at a given speed.

Matrix products only: 2 operations per weight and token, 4 d per layer and pair of tokens, masked or not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from math import isfinite

from ..config import GPTConfig
from .budget import check_countable
from .formula import Formula, Term, symbol, total
from .workload import Workload, model_symbols, work_symbols

PALM = "PaLM, Chowdhery et al. 2022, arXiv 2204.02311, appendix B"
_PRODUCTS = {
    "attention": "query, key, value and output projections: a product and a sum per weight and token",
    "attention_scores": "queries times keys, weights times values, for every pair of tokens, masked or not",
    "feed_forward": "two layers with f neurons between them",
    "output_head": "tied or not, it is a matrix product",
}


@dataclass(frozen=True)
class FlopCount:
    """Operations of one batch; `by_component` sums to `forward`.

    Generating the last token of the sequence with a KV cache costs `forward_per_token`.
    """

    forward: int
    training: int
    forward_per_token: int
    training_per_token: int
    by_component: dict[str, int]
    formulas: tuple[Formula, ...]


def count_flops(config: GPTConfig, batch_size: int = 1, seq_len: int = 1024, recompute: str = "none") -> FlopCount:
    """Operations for (batch_size, seq_len) tokens. Raises ValueError for an impossible workload."""
    workload = Workload(batch_size=batch_size, seq_len=seq_len, mode="training", recompute=recompute)
    workload.check_fits(config)
    V, _, d, L, _, f = model_symbols(config)
    b, s, _, _ = work_symbols(workload)
    components = {
        "attention": 2 * b * s * L * 4 * d**2,
        "attention_scores": 4 * b * s**2 * L * d,
        "feed_forward": 2 * b * s * L * 2 * d * f,
        "output_head": 2 * b * s * V * d,
    }
    forward = total(*components.values())
    per_token = 2 * (L * (4 * d**2 + 2 * d * f) + V * d) + 4 * L * s * d
    again = [symbol(name, operations) for name, operations in _computed_again(config, workload, components)]
    training = reduce(Term.__add__, again, 3 * symbol("forward", forward.value))
    per_trained_token = reduce(
        Term.__add__,
        [symbol(f"{term.symbols} per token", term.value // (batch_size * seq_len)) for term in again],
        3 * symbol("forward_per_token", per_token.value),
    )
    check_countable(training.value, "operations")
    rows = [term.formula(name, "FLOP", _PRODUCTS[name]) for name, term in components.items()]
    rows.append(forward.formula("forward", "FLOP", PALM))
    rows.append(per_token.formula("forward_per_token", "FLOP", PALM))
    source = f"{PALM}: backward costs two forwards" + ("; and what gpt/model.py computes again" if again else "")
    rows.append(training.formula("training", "FLOP", source))
    rows.append(per_trained_token.formula("training_per_token", "FLOP", source))
    return FlopCount(
        forward=forward.value,
        training=training.value,
        forward_per_token=per_token.value,
        training_per_token=per_trained_token.value,
        by_component={name: term.value for name, term in components.items()},
        formulas=tuple(rows),
    )


def _computed_again(config: GPTConfig, workload: Workload, components: Mapping[str, Term]) -> Iterator[tuple[str, int]]:
    """What a backward pass computes once more, by name: always for the fused attention, the rest as it was asked.

    torch stops at the last product whose result nothing keeps: only what goes into it is needed.
    """
    products = {name: term.value for name, term in components.items()}
    fused = not config.drop_rates.attn
    if fused:
        yield "scores in the fused backward", products["attention_scores"] // 2
    if workload.recompute == "selective":
        # Without the fused call the last product is weights times values.
        yield "scores again", products["attention_scores"] // (1 if fused else 2)
    if workload.recompute == "full":
        yield "attention again", products["attention"] + products["attention_scores"]
        # A dropout after the feed-forward network keeps a mask, so its second product is run as well.
        share = 1 if config.drop_rates.shortcut else 2
        yield "feed_forward again", products["feed_forward"] // share


def seconds(flops: int, flops_per_second: float) -> float:
    """How long that many operations take. Raises ValueError unless the speed is a positive number."""
    if not (isfinite(flops_per_second) and flops_per_second > 0):
        raise ValueError(f"The speed is {flops_per_second} FLOP/s: it has to be a positive number.")
    return flops / flops_per_second

"""How many floating-point operations a GPT model takes, and how long they last at a given speed.

Matrix products only: 2 operations per weight and token, 4 d per layer and pair of tokens, masked or not.
"""

from dataclasses import dataclass
from math import isfinite

from .budget import check_countable
from .config import GPTConfig
from .formula import Formula, symbol, total
from .workload import Workload, model_symbols, work_symbols

PALM = "PaLM, Chowdhery et al. 2022, arXiv 2204.02311, appendix B"
_PRODUCTS = {
    "attention": "query, key, value and output projections: a product and a sum per weight and token",
    "attention_scores": "queries times keys, weights times values, for every pair of tokens, masked or not",
    "feed_forward": "two layers, four times as wide between them",
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
    workload = Workload(batch_size=batch_size, seq_len=seq_len, recompute=recompute)
    workload.check_fits(config)
    V, _, d, L, _ = model_symbols(config)
    b, s, _, _ = work_symbols(workload)
    components = {
        "attention": 2 * b * s * L * 4 * d**2,
        "attention_scores": 4 * b * s**2 * L * d,
        "feed_forward": 2 * b * s * L * 8 * d**2,
        "output_head": 2 * b * s * V * d,
    }
    forward = total(*components.values())
    per_token = 2 * (L * 12 * d**2 + V * d) + 4 * L * s * d
    training, training_per_token = (
        3 * symbol("forward", forward.value),
        3 * symbol("forward_per_token", per_token.value),
    )
    again = {"selective": ["attention_scores"], "full": ["attention", "attention_scores", "feed_forward"]}
    for name in again.get(recompute, []):
        once = components[name].value
        training = training + symbol(name, once)
        training_per_token = training_per_token + symbol(f"{name}_per_token", once // (batch_size * seq_len))
    check_countable(training.value, "operations")
    rows = [term.formula(name, "FLOP", _PRODUCTS[name]) for name, term in components.items()]
    rows.append(forward.formula("forward", "FLOP", PALM))
    rows.append(per_token.formula("forward_per_token", "FLOP", PALM))
    rows.append(training.formula("training", "FLOP", f"{PALM}: backward costs two forwards"))
    rows.append(training_per_token.formula("training_per_token", "FLOP", PALM))
    return FlopCount(
        forward=forward.value,
        training=training.value,
        forward_per_token=per_token.value,
        training_per_token=training_per_token.value,
        by_component={name: term.value for name, term in components.items()},
        formulas=tuple(rows),
    )


def seconds(flops: int, flops_per_second: float) -> float:
    """How long that many operations last. Raises ValueError unless the speed is a positive number."""
    if not (isfinite(flops_per_second) and flops_per_second > 0):
        raise ValueError(f"The speed is {flops_per_second} FLOP/s: it has to be a positive number.")
    return flops / flops_per_second

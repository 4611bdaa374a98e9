"""What is asked after the chapter: other kinds of attention, a machine's two rates, and what this app reached."""

from dataclasses import dataclass, replace
from typing import Any

from ...config import GPTConfig
from ...estimates.cache_variants import Variants
from ...estimates.own_rate import OwnRate
from ...estimates.roofline import Rates
from ...estimates.workload import Workload
from .setting_controls import per_second, same_model, whole

FITTED = ("n_kv_groups", "window")  # the fields that a configuration fills
_USUAL_RATES = Rates(bytes_per_second=20e9, flops_per_second=100e9)


@dataclass(frozen=True)
class AfterInputs:
    """What is typed into the panel: `Variants`, and two rates in GB/s and GFLOP/s. `measured` is what those fields
    were last filled with, and `own` what this app reached.
    """

    n_kv_groups: Any
    window: Any
    local: Any
    full: Any
    latent_dim: Any
    bandwidth: Any
    arithmetic: Any
    measured: Any
    own: Any


@dataclass(frozen=True)
class MeasuredRates:
    """This machine's rates as the fields show them, and the number format that its arithmetic was measured with."""

    bandwidth: float
    arithmetic: float
    dtype: str


@dataclass(frozen=True)
class OwnReading:
    """This app's own rate, and whose it is."""

    name: str
    reference: str
    config: GPTConfig
    dtype: str
    rate: OwnRate

    def is_of(self, config: GPTConfig, workload: Workload) -> bool:
        """Whether it answers what the settings ask."""
        asked = (workload.dtype, workload.seq_len, workload.batch_size)
        return same_model(self.config, config) and asked == (self.dtype, self.rate.n_tokens, 1)


def first_inputs(config: GPTConfig) -> AfterInputs:
    """What the panel's fields hold at first: as few heads as can share, and a window of a quarter of the context."""
    sharing = next(
        number for number in range(min(2, config.n_heads), config.n_heads + 1) if config.n_heads % number == 0
    )
    variants = Variants(n_kv_groups=sharing, window=max(1, config.context_length // 4))
    bandwidth, arithmetic = (rate / 1e9 for rate in vars(_USUAL_RATES).values())
    return AfterInputs(**vars(variants), bandwidth=bandwidth, arithmetic=arithmetic, measured=None, own=None)


def refilled(asked: AfterInputs, before: GPTConfig, config: GPTConfig) -> AfterInputs:
    """Inputs for another configuration: what is as `before` filled it is filled anew."""
    first, now = first_inputs(before), first_inputs(config)
    same = [name for name in FITTED if getattr(asked, name) == getattr(first, name)]
    return replace(asked, **{name: getattr(now, name) for name in same})


def as_reading(workload: Workload) -> Workload:
    """The same texts to be read, also where training was asked for."""
    return Workload(workload.dtype, workload.batch_size, workload.seq_len)


def variants_of(asked: AfterInputs) -> Variants:
    """The kinds of attention in the fields. Raises ValueError for impossible ones."""
    names = {"n_kv_groups": "n_kv_groups", "window": "window", "latent_dim": "latent_dim"}
    names |= {"local": "blocks with a window", "full": "blocks without a window"}
    return Variants(**{field: whole(name, getattr(asked, field)) for field, name in names.items()})


def rates_of(asked: AfterInputs) -> Rates:
    """The rates in the fields. Raises ValueError for impossible ones."""
    return Rates(per_second("Memory in GB/s", asked.bandwidth), per_second("Arithmetic in GFLOP/s", asked.arithmetic))


def whose_rates(workload: Workload, asked: AfterInputs) -> str:
    """A sentence on where the two rates in the fields come from."""
    found: MeasuredRates | None = asked.measured
    if found is None or (found.bandwidth, found.arithmetic) != (asked.bandwidth, asked.arithmetic):
        return "The two rates were not measured: they are examples, or typed."
    again = "" if found.dtype == workload.dtype else f"; the settings are in {workload.dtype}, so measure again"
    return f"The two rates were measured on this machine, its arithmetic in {found.dtype}{again}."


def own_of(config: GPTConfig, workload: Workload, asked: AfterInputs) -> OwnReading | None:
    """What this app reached with these settings; None where that was not measured."""
    own: OwnReading | None = asked.own
    return own if own is not None and own.is_of(config, workload) else None

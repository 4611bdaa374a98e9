"""The Calculator's panel on what came after the chapter: smaller caches, and how fast a model can be at best."""

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from ...config import GPTConfig
from ...estimates.cache_variants import VARIANT_SYMBOLS, Variants, cache_variants
from ...estimates.formula import Formula
from ...estimates.own_rate import OwnRate
from ...estimates.roofline import Rates, Reading, next_token, prompt
from ...estimates.workload import Workload
from ..common.components import note_area, plot, plot_area
from ..common.number_format import percent, size
from ..common.page_html import problem, table
from .calculation import about_settings
from .estimate_tables import duration, operations, symbols_line
from .figures import cache_bars
from .setting_controls import same_model, whole

NAMES = {
    "mha": "Multi-head, the chapter's",
    "gqa": "Grouped-query",
    "mqa": "Multi-query",
    "swa": "Sliding window",
    "gqa_swa": "Grouped-query and window",
    "mla": "Latent",
}
_USUAL_RATES = Rates(bytes_per_second=20e9, flops_per_second=100e9)
# New values by the names of ResultComponents.
Values = dict[str, Any]


@dataclass(frozen=True)
class AfterInputs:
    """What is typed into the panel: `Variants`, and two rates in GB/s and GFLOP/s; `own` is what was measured."""

    n_kv_groups: Any
    window: Any
    local: Any
    full: Any
    latent_dim: Any
    bandwidth: Any
    arithmetic: Any
    own: Any


@dataclass(frozen=True)
class OwnReading:
    """This app's own rate, and whose it is."""

    name: str
    config: GPTConfig
    dtype: str
    rate: OwnRate

    def is_of(self, config: GPTConfig, workload: Workload) -> bool:
        """Whether it answers what the settings ask."""
        asked = (workload.dtype, workload.seq_len, workload.batch_size)
        return same_model(self.config, config) and asked == (self.dtype, self.rate.n_tokens, 1)


@dataclass(frozen=True)
class AfterPanel:
    """The panel's components: what is typed, what is shown, and the button that measures, where that is allowed."""

    inputs: AfterInputs
    shown: Values
    measure: gr.Button | None


def first_inputs(config: GPTConfig) -> AfterInputs:
    """What the panel's fields hold at first: as few heads as can share, and a window of a quarter of the context."""
    sharing = next(
        number for number in range(min(2, config.n_heads), config.n_heads + 1) if config.n_heads % number == 0
    )
    variants = Variants(n_kv_groups=sharing, window=max(1, config.context_length // 4))
    bandwidth, arithmetic = (rate / 1e9 for rate in vars(_USUAL_RATES).values())
    return AfterInputs(**vars(variants), bandwidth=bandwidth, arithmetic=arithmetic, own=None)


def after_panel(filled: AfterInputs, first: Values, allow_measuring: bool) -> AfterPanel:
    """Lay it out, filled with what is asked at first and what a first calculation gave."""

    def number(name: str, label: str, info: str) -> gr.Number:
        return gr.Number(getattr(filled, name), label=label, info=info, min_width=110, elem_id=f"calc-{name}")

    gr.HTML(
        '<p class="intro"><b>Smaller caches.</b> The cache of keys and values grows with every token, and later models '
        "hold less of it: heads share keys and values, blocks look back a short way, or a short vector stands for "
        "both.</p>"
    )
    with gr.Row():
        groups = number("n_kv_groups", "Heads that share", "A key and a value.")
        window = number("window", "Window", "Tokens it sees.")
        local = number("local", "Blocks with window", "Of each group.")
        full = number("full", "Blocks without", "Of each group.")
        latent = number("latent_dim", "Latent numbers", "Per token and block.")
    shown: Values = {
        "variants_note": note_area("calc-variants-problem"),
        "variants_figure": plot_area("calc-variants-bar", first["variants_figure"]),
        "variants": gr.HTML(first["variants"], elem_id="calc-variants"),
    }
    gr.HTML(symbols_line(VARIANT_SYMBOLS))
    gr.HTML(
        '<p class="intro"><b>How fast at best.</b> A token takes at least as long as its bytes take to be read, or its '
        "operations to be done, whichever is longer: a token is bound by memory, a long prompt by arithmetic. A model "
        "that the processor's caches hold, or whose numbers are packed in fewer bytes, can be faster.</p>"
    )
    with gr.Row():
        bandwidth = number("bandwidth", "Memory in GB/s", "A round figure until measured.")
        arithmetic = number("arithmetic", "Arithmetic in GFLOP/s", "A round figure until measured.")
        button = gr.Button("Measure this machine", elem_id="calc-rates", min_width=180) if allow_measuring else None
    shown |= {
        "best_note": note_area("calc-best-problem"),
        "best": gr.HTML(first["best"], elem_id="calc-best"),
    }
    inputs = AfterInputs(groups, window, local, full, latent, bandwidth, arithmetic, gr.State(None))
    return AfterPanel(inputs, shown, button)


def after_chapter(config: GPTConfig, workload: Workload, asked: AfterInputs) -> Values:
    """All the panel shows; what cannot be is said beside its fields, and what stood there stays."""
    reading = Workload(workload.dtype, workload.batch_size, workload.seq_len)  # also where training was asked for
    return _caches(config, reading, asked) | _best(config, reading, asked)


def _caches(config: GPTConfig, workload: Workload, asked: AfterInputs) -> Values:
    names = ("n_kv_groups", "window", "local", "full", "latent_dim")
    try:
        variants = Variants(**{name: whole(name, getattr(asked, name)) for name in names})
        rows = cache_variants(config, workload, variants)
    except ValueError as error:
        return {"variants_note": problem(str(error))}
    sizes = {NAMES[row.name]: row.value for row in rows}
    return {
        "variants_note": "",
        "variants_figure": plot(cache_bars(sizes), about_settings("smaller caches", config, workload)),
        "variants": _cache_table(rows),
    }


def _cache_table(rows: tuple[Formula, ...]) -> str:
    whole_cache = rows[0].value
    cells = [
        [_with_sum(NAMES[row.name], row), size(row.value), f"{row.value:,}", percent(row.value / whole_cache)]
        for row in rows
    ]
    return table(["Keys and values held", "Size", "Bytes", "Of multi-head"], cells, "sums")


def _best(config: GPTConfig, workload: Workload, asked: AfterInputs) -> Values:
    try:
        rates = Rates(1e9 * float(asked.bandwidth or 0), 1e9 * float(asked.arithmetic or 0))
        token, whole_prompt = next_token(config, workload, rates), prompt(config, workload, rates)
    except ValueError as error:
        return {"best_note": problem(str(error))}
    rows = [
        _best_row("Next token", token, workload.batch_size),
        _best_row(f"Prompt of {workload.seq_len:,} tokens", whole_prompt, workload.batch_size * workload.seq_len),
    ]
    head = ["At best", "Time", "Tokens/s", "Bound by"]
    own: OwnReading | None = asked.own
    if own is not None and own.is_of(config, workload):
        head += [f"{escape(own.name)}, measured", "Tokens/s"]
        rows[0] += _measured(own.rate.token_seconds, 1)
        rows[1] += _measured(own.rate.prompt_seconds, workload.seq_len)
    return {"best_note": "", "best": table(head, rows, "sums")}


def _best_row(label: str, reading: Reading, n_tokens: int) -> list[str]:
    bytes_read = _sum_line(reading.bytes_read, f" = {size(reading.bytes_read.value)} read")
    flops = _sum_line(reading.flops, f" = {operations(reading.flops.value)}")
    name = f"{escape(label)}{bytes_read}{flops}"
    return [name, duration(reading.seconds), _rate(reading.seconds, n_tokens), reading.bound_by]


def _measured(seconds: float, n_tokens: int) -> list[str]:
    return [f"<b>{duration(seconds)}</b>", f"<b>{_rate(seconds, n_tokens)}</b>"]


def _rate(seconds: float, n_tokens: int) -> str:
    rate = n_tokens / seconds
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _with_sum(label: str, row: Formula) -> str:
    return f"{escape(label)}{_sum_line(row, f' <i>{escape(row.source)}</i>')}"


def _sum_line(row: Formula, after: str) -> str:
    return f'<div class="sum">{escape(row.symbols)} <span>= {escape(row.numbers)}</span>{after}</div>'

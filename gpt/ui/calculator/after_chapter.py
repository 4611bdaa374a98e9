"""The Calculator's panel on what came after the chapter: smaller caches, and how fast a model can be at best."""

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from ...config import GPTConfig
from ...estimates.cache_variants import VARIANT_SYMBOLS, cache_variants
from ...estimates.formula import Formula
from ...estimates.roofline import Reading, next_token, prompt
from ...estimates.workload import Workload
from ..common.code_behind import code_area, code_value
from ..common.components import note_area, plot, plot_area
from ..common.number_format import counted, percent, size
from ..common.page_html import problem, table
from .after_chapter_inputs import AfterInputs, as_reading, own_of, rates_of, variants_of, whose_rates
from .calculation import about_settings
from .estimate_code import after_code
from .estimate_tables import duration, hint, operations, symbols_line
from .figures import cache_bars

NAMES = {
    "mha": "Multi-head, the chapter's",
    "gqa": "Grouped-query",
    "mqa": "Multi-query",
    "swa": "Sliding window",
    "gqa_swa": "Grouped-query and window",
    "mla": "Latent",
}
_KEPT_WIDE = "With int8 weights this app keeps a cache of float32: in int8 each would take a quarter."
# New values by the names of ResultComponents.
Values = dict[str, Any]


@dataclass(frozen=True)
class AfterPanel:
    """The panel's components: what is typed, what is shown, and the button that measures, where that is allowed."""

    inputs: AfterInputs
    shown: Values
    measure: gr.Button | None


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
        groups = number("n_kv_groups", "n_kv_groups", "Heads that share.")
        window = number("window", "window", "Tokens it sees.")
        local = number("local", "With a window", "Blocks in a row.")
        full = number("full", "Without a window", "After them; then again.")
        latent = number("latent_dim", "latent_dim", "Per token and block.")
    shown: Values = {
        "variants_note": note_area("calc-variants-problem"),
        "variants_figure": plot_area("calc-variants-bar", first["variants_figure"]),
        "variants": gr.HTML(first["variants"], elem_id="calc-variants"),
    }
    gr.HTML(symbols_line(VARIANT_SYMBOLS))
    gr.HTML(
        '<p class="intro"><b>How fast at best.</b> A token takes at least as long as its bytes take to be read, or its '
        "operations to be done, whichever is longer: a token is bound by memory, a long prompt by arithmetic. A "
        "model that the processor's caches hold, or whose numbers are packed in fewer bytes, can be faster."
        + (" A rate is measured as the better of torch's and of this app's own products." if allow_measuring else "")
        + "</p>"
    )
    with gr.Row():
        whose = "Measure yours, or type it." if allow_measuring else "Type your machine's."
        bandwidth = number("bandwidth", "Memory in GB/s", whose)
        arithmetic = number("arithmetic", "Arithmetic in GFLOP/s", whose)
        button = gr.Button("Measure this machine", elem_id="calc-rates", min_width=180) if allow_measuring else None
    shown |= {
        "best_note": note_area("calc-best-problem"),
        "best": gr.HTML(first["best"], elem_id="calc-best"),
        "after_code": code_area("calc-after-code", first["after_code"]),
    }
    inputs = AfterInputs(groups, window, local, full, latent, bandwidth, arithmetic, gr.State(None), gr.State(None))
    return AfterPanel(inputs, shown, button)


def after_chapter(config: GPTConfig, workload: Workload, asked: AfterInputs) -> Values:
    """All that the panel shows. An impossible value is reported beside its fields, and the old results stay."""
    reading = as_reading(workload)
    return (
        _caches(config, reading, asked)
        | _best(config, reading, asked)
        | {"after_code": code_value(after_code(config, reading, asked))}
    )


def _caches(config: GPTConfig, workload: Workload, asked: AfterInputs) -> Values:
    try:
        rows = cache_variants(config, workload, variants_of(asked))
    except ValueError as error:
        return {"variants_note": problem(f"{error} The caches below are still those of the settings before.")}
    sizes = {NAMES[row.name]: row.value for row in rows}
    return {
        "variants_note": "",
        "variants_figure": plot(cache_bars(sizes), about_settings("smaller caches", config, workload)),
        "variants": hint(_KEPT_WIDE if workload.dtype == "int8" else "") + _cache_table(rows),
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
        rates = rates_of(asked)
        token, whole_prompt = next_token(config, workload, rates), prompt(config, workload, rates)
    except ValueError as error:
        return {"best_note": problem(f"{error} The times below are still those of the settings before.")}
    rows = [
        _best_row("Next token", token, workload.batch_size),
        _best_row(
            f"Prompt of {counted(workload.seq_len, 'token')}", whole_prompt, workload.batch_size * workload.seq_len
        ),
    ]
    head = ["At best", "Time", "Tokens/s", "Bound by"]
    own = own_of(config, workload, asked)
    if own is not None:
        head += [f"{escape(own.name)}, measured", "Tokens/s"]
        rows[0] += _measured(own.rate.token_seconds, 1)
        rows[1] += _measured(own.rate.prompt_seconds, workload.seq_len)
    return {"best_note": "", "best": hint(whose_rates(workload, asked)) + table(head, rows, "sums")}


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

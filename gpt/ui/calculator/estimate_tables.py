"""The Calculator's tables and sentences, as HTML: every figure exact, beside its formula with the numbers put in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape

from ...config import GPTConfig
from ...estimates.budget import MemoryEstimate, ParameterCount, count_parameters
from ...estimates.devices import Fit
from ...estimates.flops import FlopCount, seconds
from ...estimates.formula import Formula
from ...estimates.measured_process import Measurement
from ...estimates.workload import SYMBOLS, Workload
from ..common.number_format import percent, size
from .figures import COMPONENTS, MEMORY_PARTS

_NAMES = {name: label for name, (label, _) in {**COMPONENTS, **MEMORY_PARTS}.items()} | {
    "block": "One block",
    "total": "Total",
    "peak": "Fullest moment",
    "resident": "Whole process",
    "forward": "Forward pass",
    "forward_per_token": "Forward, per token",
    "training": "Training step",
    "training_per_token": "Training, per token",
}
_COLOURS = {name: colour for name, (_, colour) in {**COMPONENTS, **MEMORY_PARTS}.items()}


def symbols_line(symbols: Mapping[str, str] = SYMBOLS) -> str:
    """What the letters in the formulas stand for."""
    letters = ", ".join(f"<i>{escape(letter)}</i> = {escape(meaning)}" for letter, meaning in symbols.items())
    return f'<p class="hint">{letters}.</p>'


def hint(text: str) -> str:
    """A sentence in small print; "" for none."""
    return f'<p class="hint">{escape(text)}</p>' if text else ""


def parameter_table(own: ParameterCount, presets: Mapping[str, ParameterCount]) -> str:
    """Components down, models across: this configuration with its formulas, and the presets beside it."""
    columns = {"These settings": own, **presets}
    rows = []
    for row in own.formulas:
        values = [next(other.value for other in count.formulas if other.name == row.name) for count in columns.values()]
        rows.append(_row(_with_sum(row), [f"{value:,}" for value in values], strong=row.name == "total"))
    return _table(["Parameters", *columns], rows)


def head_answer(config: GPTConfig) -> str:
    """Section 4.6's question, for this configuration: how many parameters there are when the head is tied."""
    untied, tied, biased = (
        count_parameters(replace(config, tied_head=tied_head, qkv_bias=qkv_bias)).total
        for tied_head, qkv_bias in ((False, False), (True, False), (True, True))
    )
    return (
        f'<p class="intro"><b>{_millions(untied)} or {_millions(tied)}?</b> The output head is a matrix of '
        f"{untied - tied:,} parameters, the same shape as the token embedding. The chapter's way is to have both: "
        f"{untied:,}. GPT-2's way is to use one for both, tied: {tied:,}. Query, key and value biases, which OpenAI's "
        f"weights have, add {biased - tied:,}: {biased:,}.</p>"
    )


def memory_table(estimate: MemoryEstimate, resident: Formula | None) -> str:
    """Every part with its formula, bytes, a readable size, and its share of the total; then what a process takes."""
    rows = []
    for row in estimate.formulas:
        cells = [size(row.value), f"{row.value:,}", percent(row.value / estimate.total)]
        rows.append(_row(_named(row), cells, strong=row.name in ("total", "peak"), faint=row.value == 0))
    if resident is not None:
        rows.append(_row(_named(resident), [size(resident.value), f"{resident.value:,}", ""]))
    for row in estimate.alternatives:
        rows.append(_row("Another formula: " + _named(row), [size(row.value), f"{row.value:,}", ""], faint=True))
    return _table(["Memory", "Size", "Bytes", "Share"], rows)


def fits_list(fits: Sequence[Fit], process_is_known: bool) -> str:
    """Devices, each marked with whether it has room and how much of it that takes."""
    what = "the fullest moment on a graphics card, the whole process in RAM"
    if not process_is_known:
        what = "the fullest moment, in RAM too, where the program itself is not counted"
    items = "".join(
        f'<li class="{"fits" if fit.fits else "full"}"><b>{"✓" if fit.fits else "✗"}</b> {escape(fit.device.name)} '
        f"<span>{fit.device.memory_bytes // 2**30} GiB, {percent(fit.share)}</span></li>"
        for fit in fits
    )
    return (
        f'<p class="hint">Where it fits, and the share of the memory it takes: {what}. Drivers and other programs need '
        f'some too.</p><ul class="devices">{items}</ul>'
    )


def flop_table(count: FlopCount, flops_per_second: float | None) -> str:
    """Every product with its formula, operations, and how long they take where the speed is known."""

    def took(flops: int) -> str:
        return "–" if flops_per_second is None else duration(seconds(flops, flops_per_second))

    rows = [
        _row(
            _named(row),
            [operations(row.value), f"{row.value:,}", took(row.value)],
            strong=row.name in ("forward", "training"),
        )
        for row in count.formulas
    ]
    return _table(["Operations of the batch", "Size", "FLOP", "Time"], rows)


def measured_caption(config: GPTConfig, workload: Workload, count: FlopCount, found: Measurement, machine: str) -> str:
    """What was measured and where, how long it took, and at which speed: beside other settings too, it says its own."""
    rates = " / ".join(f"{rate:g}" for rate in config.drop_rates)
    speed = count.forward / found.forward_seconds / 1e9
    took = f"The forward pass took {duration(found.forward_seconds)}, which is {speed:,.0f} GFLOP/s"
    what = f"{workload.mode}, {workload.dtype}, batch_size {workload.batch_size:,}, seq_len {workload.seq_len:,}"
    if found.step_seconds is not None:
        took += f"; the whole step {duration(found.step_seconds)}"
        what += f", {workload.optimizer}, recompute {workload.recompute}"
    return (
        f'<p class="status" data-aloud>Measured: emb_dim {config.emb_dim:,}, n_layers {config.n_layers:,}, n_heads '
        f"{config.n_heads:,}, vocab_size {config.vocab_size:,}, context_length {config.context_length:,}, inner width "
        f"{config.inner_width:,}, {config.activation}, {'tied head' if config.tied_head else 'head of its own'}, "
        f"{'with' if config.qkv_bias else 'no'} qkv bias, dropout {rates}; {what}; on {escape(machine)}. {took}. "
        f"JSON and CSV have it while the settings are these.</p>"
    )


def comparison_table(estimate: MemoryEstimate, resident: Formula | None, found: Measurement) -> str:
    """Estimate, measurement and their ratio, part by part; other formulas under the figure they are for."""
    rows = []
    others = {row.name: row for row in estimate.alternatives}
    for row in estimate.formulas:
        measured = getattr(found, row.name, None)
        if measured is None or not (measured or row.value):
            continue
        rows.append(_row(_label(row.name), _compared(row.value, measured), strong=row.name == "peak"))
        if row.name in others:
            other = others[row.name]
            rows.append(_row(f"… {escape(other.source)}", _compared(other.value, measured), faint=True))
    rows += _resident_rows(resident, found)
    return _table(["Bytes", "Estimate", "Measured", "Estimate / measured"], rows)


def duration(time_seconds: float) -> str:
    """1.53 ms, 2.92 s, 4.1 min, 3.2 h, 12 days."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60), ("s", 1), ("ms", 1e-3)):
        if time_seconds >= length:
            amount = time_seconds / length
            return f"{amount:,.0f} {unit}" if 100 <= amount < 1e9 else f"{amount:.3g} {unit}"
    return f"{time_seconds * 1e6:,.3g} µs"


def _resident_rows(estimated: Formula | None, found: Measurement) -> list[str]:
    if estimated is None or found.resident_peak is None or found.resident_start is None:
        return []
    return [
        _row(_label("resident"), _compared(estimated.value, found.resident_peak), strong=True),
        _row("… of it Python and torch, before the model", ["", f"{found.resident_start:,}", ""], faint=True),
    ]


def _compared(estimated: int, measured: int) -> list[str]:
    return [f"{estimated:,}", f"{measured:,}", f"{estimated / measured:.4f}" if measured else "–"]


def _table(header: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    return (
        f'<div class="scroll"><table class="figures sums"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(name: str, cells: Iterable[str], strong: bool = False, faint: bool = False) -> str:
    kind = "strong" if strong else "faint" if faint else ""
    return f'<tr class="{kind}"><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _named(row: Formula) -> str:
    """Name, formula, the formula with the numbers put in, and where it comes from."""
    return _with_sum(row, f" <i>{escape(row.source)}</i>")


def _with_sum(row: Formula, source: str = "") -> str:
    put_in = "" if row.symbols == row.numbers else f"{escape(row.symbols)} <span>= {escape(row.numbers)}</span>"
    return f'{_label(row.name)}<div class="sum">{put_in}{source}</div>'


def _label(name: str) -> str:
    swatch = f'<span class="swatch" style="background: {_COLOURS[name]}"></span>' if name in _COLOURS else ""
    return f"{swatch}{escape(_NAMES[name])}"


def _millions(count: int) -> str:
    return f"{count / 1e6:,.0f}M" if count >= 1e6 else f"{count:,}"


def operations(count: int) -> str:
    """291.65 GFLOP, in the largest unit that leaves at least 1."""
    for unit, factor in (("PFLOP", 10**15), ("TFLOP", 10**12), ("GFLOP", 10**9), ("MFLOP", 10**6)):
        if count >= factor:
            return f"{count / factor:,.2f} {unit}"
    return f"{count:,} FLOP"

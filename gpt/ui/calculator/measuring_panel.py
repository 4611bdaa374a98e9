"""The Calculator's measurement: a button, progress that can be stopped, and the findings beside the estimate."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from ...estimates.budget import memory_of
from ...estimates.flops import count_flops
from ...estimates.machine import description
from ...estimates.measured_process import Measurement
from ...estimates.measurement import Limits, Progress, measure
from ...estimates.resident_memory import resident_peak
from ..common.components import note_area
from ..common.drawing import Updates
from ..common.page_html import problem
from ..common.stoppable_work import Ongoing, start_for, stop_button, stop_for, stop_when_clicked
from .calculation import Measured
from .estimate_tables import comparison_table, measured_caption
from .setting_controls import settings_from

FOR_STRANGERS = Limits(share_of_free=1 / 8, seconds=60)

_ONGOING = Ongoing()


@dataclass(frozen=True)
class Measuring:
    """The controls and outputs of the measurement."""

    start: gr.Button
    stop: gr.Button
    status: gr.HTML
    found: gr.HTML


def measuring_panel() -> Measuring:
    """Lay it out."""
    gr.HTML(
        '<p class="hint">Builds the model of these settings with random weights, in a process of its own, and counts '
        "the bytes of its tensors: one forward pass with a KV cache, or one training step. It refuses what would not "
        "fit into the free memory, and can be stopped.</p>"
    )
    with gr.Row():
        shape: dict[str, Any] = {"scale": 0, "min_width": 240}
        start = start_for("Measure on this machine", "calc-measure", **shape)
        stop = stop_for("calc-stop", **shape)
    return Measuring(start, stop, note_area("calc-measure-status"), note_area("calc-measured"))


def wire_measuring(measuring: Measuring, measured: gr.State, settings: list[Any], public: bool) -> None:
    """Start and stop it for these controls' values; what is found is kept as Measured. A stranger's may take less."""
    limits = FOR_STRANGERS if public else Limits()

    def start(request: gr.Request, *values: Any) -> Iterator[Updates]:
        yield from _progress_and_findings(measuring, measured, request, limits, *values)

    outputs = [measured, *vars(measuring).values()]
    measuring.start.click(
        start, settings, outputs, concurrency_id="measure", concurrency_limit=None, api_visibility="private"
    )
    stop_when_clicked(measuring.stop, _ONGOING)


def _progress_and_findings(
    shown: Measuring, measured: gr.State, request: gr.Request, limits: Limits, *settings: Any
) -> Iterator[Updates]:
    """Progress while the other process works, then its findings beside the estimate."""
    running = {shown.stop: stop_button(running=True)}
    ended = {shown.stop: stop_button(running=False)}
    try:
        config, workload = settings_from(*settings)
        with _ONGOING.begin(request) as stopped, closing(measure(config, workload, limits)) as steps:
            for step in steps:
                if stopped.is_set():
                    yield ended | {shown.status: _said("Stopped.")}
                    return
                if isinstance(step, Measurement):
                    kept = Measured(config, workload, description(), step)
                    yield ended | {measured: kept, shown.status: "", shown.found: _findings(kept)}
                else:
                    yield running | {shown.status: _progress(step)}
                    running = {}
    except (ValueError, RuntimeError) as error:
        yield ended | {shown.status: problem(str(error))}


def _findings(measured: Measured) -> str:
    config, workload = measured.config, measured.workload
    operations = count_flops(config, workload.batch_size, workload.seq_len, workload.recompute)
    caption = measured_caption(config, workload, operations, measured.found, measured.machine)
    estimate, resident = memory_of(config, workload), resident_peak(config, workload)
    return caption + comparison_table(estimate, resident, measured.found)


def _progress(progress: Progress) -> str:
    bar = f'<progress value="{progress.share:.3f}" aria-label="{escape(progress.stage)}"></progress>'
    return _said(f"{progress.stage}, {progress.seconds:.0f} s", bar)


def _said(text: str, bar: str = "") -> str:
    return f'<p class="status"{"" if bar else " data-aloud"}>{bar} {escape(text)}</p>'

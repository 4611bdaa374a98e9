"""The Calculator's measurement: a button, progress that can be stopped, and the findings beside the estimate."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from ..budget import memory_of
from ..config import GPTConfig
from ..flops import count_flops
from ..measurement import Measurement, Progress, measure
from ..workload import Workload
from .calculator_controls import settings_from
from .calculator_tables import comparison_table, measured_caption
from .ongoing import Ongoing, stop_button, stop_when_clicked
from .shared import problem

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
        start = gr.Button("Measure on this machine", variant="primary", elem_id="calc-measure", **shape)
        stop = gr.Button("Stop", variant="stop", visible=False, elem_id="calc-stop", **shape)
    return Measuring(start, stop, gr.HTML(elem_id="calc-measure-status"), gr.HTML(elem_id="calc-measured"))


def wire_measuring(measuring: Measuring, settings: list[Any]) -> None:
    """Start and stop it for the values of these controls."""
    outputs = list(vars(measuring).values())
    measuring.start.click(
        _measure, settings, outputs, concurrency_id="measure", concurrency_limit=None, api_visibility="private"
    )
    stop_when_clicked(measuring.stop, _ONGOING)


def _measure(request: gr.Request, *settings: Any) -> Iterator[list[Any]]:
    """Progress while the other process works, then its findings beside the estimate."""
    buttons: list[Any] = _buttons(running=True)
    try:
        config, workload = settings_from(*settings)
        with _ONGOING.begin(request) as stopped, closing(measure(config, workload)) as steps:
            for step in steps:
                if stopped.is_set():
                    yield [*_buttons(running=False), _said("Stopped."), gr.skip()]
                    return
                if isinstance(step, Measurement):
                    yield [*_buttons(running=False), "", _findings(config, workload, step)]
                else:
                    yield [*buttons, _progress(step), gr.skip()]
                    buttons = [gr.skip(), gr.skip()]
    except (ValueError, RuntimeError) as error:
        yield [*_buttons(running=False), problem(str(error)), gr.skip()]


def _findings(config: GPTConfig, workload: Workload, found: Measurement) -> str:
    operations = count_flops(config, workload.batch_size, workload.seq_len, workload.recompute)
    return measured_caption(config, workload, operations, found) + comparison_table(memory_of(config, workload), found)


def _progress(progress: Progress) -> str:
    bar = f'<progress value="{progress.share:.3f}" aria-label="{escape(progress.stage)}"></progress>'
    return _said(f"{progress.stage}, {progress.seconds:.0f} s", bar)


def _said(text: str, bar: str = "") -> str:
    return f'<p class="status" role="status">{bar} {escape(text)}</p>'


def _buttons(running: bool) -> list[Any]:
    return [gr.update(visible=not running), stop_button(running)]

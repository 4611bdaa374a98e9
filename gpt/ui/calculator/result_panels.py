"""The Calculator's panels: where each result is shown, filled from the start with those of the first settings."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ...config import GPTConfig
from ...estimates.workload import Workload
from ..common.code_behind import code_area
from ..common.components import note_area, plot_area
from .after_chapter import AfterPanel, after_panel
from .calculated_results import DEFAULT_GFLOPS, GROWTH, ResultComponents, calculated, first_asked
from .measuring_panel import Measuring, measuring_panel


@dataclass(frozen=True)
class Panels:
    """What is asked in the panels, and what is shown there. Where measuring is not allowed, `measuring` is None."""

    over: gr.Radio
    speed: gr.Number
    after: AfterPanel
    results: ResultComponents
    kept: gr.HTML  # the loaded model's weights as this app keeps them, in the panel `memory`
    memory: gr.Tab
    measuring: Measuring | None

    def asked(self) -> list[Any]:
        """The inputs, in the order that `asked_from` reads."""
        return [self.over, self.speed, *vars(self.after.inputs).values()]


def build_panels(
    config: GPTConfig, workload: Workload, config_note: gr.HTML, workload_note: gr.HTML, allow_measuring: bool
) -> Panels:
    """Lay them out, filled with what a first calculation gives."""
    asked = first_asked(config)
    first = calculated(config, workload, asked)
    with gr.Tab("Parameters", id="parameters"):
        own = plot_area("calc-own", first["own_parameters"])
        head_answer = gr.HTML(first["head_answer"], elem_id="calc-head-answer")
        table = gr.HTML(first["parameters"], elem_id="calc-parameters")
        presets = plot_area("calc-presets", first["preset_parameters"])
        parameters_code = code_area("calc-parameters-code", first["parameters_code"])
    with gr.Tab("Memory", id="memory") as memory_tab:
        parts = plot_area("calc-memory-bar", first["memory_parts"])
        memory = gr.HTML(first["memory"], elem_id="calc-memory")
        devices = gr.HTML(first["devices"], elem_id="calc-devices")
        over = gr.Radio(
            [(f"over {label}", name) for name, label in GROWTH.items()],
            value="seq_len",
            label="How it grows",
            elem_id="calc-over",
        )
        growth = plot_area("calc-growth", first["memory_growth"])
        kept = gr.HTML(elem_id="calc-kept")
        memory_code = code_area("calc-memory-code", first["memory_code"])
    with gr.Tab("FLOPs", id="flops"):
        operations_bar = plot_area("calc-flops-bar", first["operations_parts"])
        with gr.Row():
            speed = gr.Number(
                DEFAULT_GFLOPS,
                label="Speed in GFLOP/s",
                info="What the hardware reaches" + ("; the tab Measure says it of yours." if allow_measuring else "."),
                min_width=260,
                scale=0,
                elem_id="calc-speed",
            )
        speed_note = note_area("calc-speed-problem")
        operations = gr.HTML(first["operations"], elem_id="calc-flops")
        operations_code = code_area("calc-flops-code", first["operations_code"])
    measuring = measure_note = measure_code = None
    if allow_measuring:
        with gr.Tab("Measure", id="measure"):
            measure_note = note_area("calc-measure-note")
            measuring = measuring_panel()
            measure_code = code_area("calc-measure-code", first["measure_code"])
    with gr.Tab("After the chapter", id="after"):
        after = after_panel(asked.after, first, allow_measuring)
    results = ResultComponents(
        config_note=config_note,
        workload_note=workload_note,
        own_parameters=own,
        preset_parameters=presets,
        parameters=table,
        head_answer=head_answer,
        parameters_code=parameters_code,
        memory_parts=parts,
        memory_growth=growth,
        memory=memory,
        devices=devices,
        memory_code=memory_code,
        operations_parts=operations_bar,
        operations=operations,
        operations_code=operations_code,
        speed_note=speed_note,
        measure_note=measure_note,
        measure_code=measure_code,
        **after.shown,
    )
    return Panels(over, speed, after, results, kept, memory_tab, measuring)

"""The Calculator tab: parameters, memory and operations of any configuration, and a measurement beside them."""

from dataclasses import astuple, dataclass, fields, replace
from functools import cache, partial
from typing import Any

import gradio as gr

from ..budget import ParameterCount, count_parameters, memory_growth, memory_of
from ..config import PRESET_NAMES, GPTConfig
from ..devices import fits
from ..flops import count_flops
from ..formula import Formula
from ..weights import WeightsError
from ..workload import Workload
from . import calculator_tables as tables
from .calculation import record, sums
from .calculator_controls import (
    N_CONFIG,
    ConfigControls,
    WorkloadControls,
    config_controls,
    config_from,
    config_values,
    settings_from,
    workload_controls,
    workload_from,
    workload_values,
)
from .calculator_figures import flop_bar, memory_bar, memory_curve, parameter_bars
from .calculator_measuring import Measuring, measuring_panel, wire_measuring
from .export import csv_file, json_file, save_button
from .shared import Page, intro, plot, plot_area, problem

KEY = "calculator"
LABEL = "Calculator"
DEFAULT_GFLOPS = 100
_PRESETS = {name: GPTConfig.preset(name) for name in PRESET_NAMES}
_GROWTH = {"seq_len": "tokens in each sequence", "batch_size": "sequences in the batch"}
_SEQ_LEN = N_CONFIG + [field.name for field in fields(WorkloadControls)].index("seq_len")
# One queue for all that fills the results: a slower answer never replaces a later one.
_IN_ORDER: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "calculator", "concurrency_limit": 1}


@dataclass(frozen=True)
class Results:
    """The results of a calculation in the order `_calculate` gives them: values, or the components that show them."""

    config_problem: Any
    workload_problem: Any
    own_parameters: Any
    preset_parameters: Any
    parameters: Any
    head_answer: Any
    memory_parts: Any
    memory_growth: Any
    memory: Any
    devices: Any
    operations_parts: Any
    operations: Any
    speed_problem: Any


def build(page: Page) -> None:
    """Lay the tab out and wire it."""
    intro(
        "What a model of any size weighs, needs and costs, each figure beside the sum that gives it. Choose a size or "
        "type your own, switch to training, then measure the real thing on this machine.",
        "section 4.6",
    )
    with gr.Row(equal_height=False, elem_classes=["sides"]):
        with gr.Column(scale=2, min_width=320, elem_id="calc-controls"):
            buttons = _preset_buttons()
            config = config_controls(_PRESETS["gpt2-124M"])
            config_problem = gr.HTML(elem_id="calc-config-problem", padding=False)
            workload = workload_controls(Workload())
            workload_problem = gr.HTML(elem_id="calc-workload-problem", padding=False)
            settings = [*vars(config).values(), *vars(workload).values()]
            with gr.Row():
                save_button("Save JSON", "calc-json", _json, settings)
                save_button("Save CSV", "calc-csv", _csv, settings)
            gr.HTML(tables.symbols_line())
        with gr.Column(scale=5, min_width=320), gr.Tabs(elem_id="calc-tabs") as panels:
            over, speed, results, measuring = _panels(config_problem, workload_problem)
    # A figure drawn while its panel was hidden takes its width when the panel is shown.
    panels.select(
        None, None, None, js="() => setTimeout(() => dispatchEvent(new Event('resize')), 50)", api_visibility="private"
    )
    shown = list(vars(results).values())
    inputs = [over, speed, *settings]
    gr.on([each.input for each in inputs], _calculate, inputs, shown, trigger_mode="always_last", **_IN_ORDER)
    _wire_presets(page, buttons, config, workload, inputs, shown)
    wire_measuring(measuring, settings)


def _preset_buttons() -> list[gr.Button]:
    with gr.Row(elem_classes=["examples"]):
        labels = [*(name.removeprefix("gpt2-") for name in _PRESETS), "Loaded model"]
        return [
            gr.Button(label, size="sm", min_width=50, elem_id=f"calc-preset-{label[:6].strip()}") for label in labels
        ]


def _panels(config_problem: gr.HTML, workload_problem: gr.HTML) -> tuple[gr.Radio, gr.Number, Results, Measuring]:
    """The four panels, filled with what the controls show at first."""
    first = _first_results()
    with gr.Tab("Parameters", id="parameters"):
        own = plot_area("calc-own", first.own_parameters)
        head_answer = gr.HTML(first.head_answer, elem_id="calc-head-answer")
        table = gr.HTML(first.parameters, elem_id="calc-parameters")
        presets = plot_area("calc-presets", first.preset_parameters)
    with gr.Tab("Memory", id="memory"):
        parts = plot_area("calc-memory-bar", first.memory_parts)
        memory = gr.HTML(first.memory, elem_id="calc-memory")
        over = gr.Radio(
            [(f"over {label}", name) for name, label in _GROWTH.items()],
            value="seq_len",
            label="How it grows",
            elem_id="calc-over",
        )
        growth = plot_area("calc-growth", first.memory_growth)
        devices = gr.HTML(first.devices, elem_id="calc-devices")
    with gr.Tab("FLOPs", id="flops"):
        operations_bar = plot_area("calc-flops-bar", first.operations_parts)
        with gr.Row():
            speed = gr.Number(
                DEFAULT_GFLOPS,
                label="Speed in GFLOP/s",
                info="What the hardware reaches; Measure tells this machine's.",
                min_width=260,
                scale=0,
                elem_id="calc-speed",
            )
        speed_problem = gr.HTML(padding=False)
        operations = gr.HTML(first.operations, elem_id="calc-flops")
    with gr.Tab("Measure", id="measure"):
        measuring = measuring_panel()
    results = Results(
        config_problem, workload_problem, own, presets, table, head_answer,
        parts, growth, memory, devices, operations_bar, operations, speed_problem,
    )  # fmt: skip
    return over, speed, results, measuring


def _wire_presets(
    page: Page,
    buttons: list[gr.Button],
    config: ConfigControls,
    workload: WorkloadControls,
    inputs: list[Any],
    shown: list[Any],
) -> None:
    def show(find: Any, *values: Any) -> list[Any]:
        """Fill the fields with a configuration and calculate; a sequence too long for it is shortened."""
        *others, reference = values
        try:
            chosen = find(reference)
        except (ValueError, WeightsError) as error:
            return [gr.skip()] * (N_CONFIG + 1) + [problem(str(error))] + [gr.skip()] * (len(shown) - 1)
        over, speed, *settings = others
        settings[:N_CONFIG] = config_values(chosen)
        length = settings[_SEQ_LEN]
        if isinstance(length, int | float):
            settings[_SEQ_LEN] = min(length, chosen.context_length)
        return [*settings[:N_CONFIG], settings[_SEQ_LEN], *_calculate(over, speed, *settings)]

    finders: list[Any] = [lambda _, chosen=chosen: chosen for chosen in _PRESETS.values()]
    finders.append(lambda reference: page.library.get(reference).model.config)
    filled = [*vars(config).values(), workload.seq_len]
    for button, find in zip(buttons, finders, strict=True):
        button.click(partial(show, find), [*inputs, page.model], [*filled, *shown], **_IN_ORDER)


def _first_results() -> Results:
    settings = [*config_values(_PRESETS["gpt2-124M"]), *workload_values(Workload())]
    return Results(*_calculate("seq_len", DEFAULT_GFLOPS, *settings))


def _calculate(over: str, speed: Any, *settings: Any) -> list[Any]:
    """Everything the tab shows; what is impossible puts a sentence beside its cause and leaves the rest as it was."""
    kept = [gr.skip()] * (len(fields(Results)) - 2)
    try:
        config = config_from(*settings[:N_CONFIG])
        count_parameters(config)
    except ValueError as error:
        return [problem(str(error)), "", *kept]
    try:
        workload = workload_from(*settings[N_CONFIG:])
        return ["", "", *_parameters(config), *_memory(config, workload, over), *_operations(config, workload, speed)]
    except ValueError as error:
        return ["", problem(str(error)), *kept]


def _parameters(config: GPTConfig) -> list[Any]:
    own = count_parameters(config)
    presets = _preset_counts(config.qkv_bias, config.tied_head)
    return [
        plot(parameter_bars({"": own.by_component})),
        _preset_bars(config.qkv_bias, config.tied_head),
        tables.parameter_table(own, presets),
        tables.head_answer(config),
    ]


@cache
def _preset_counts(qkv_bias: bool, tied_head: bool) -> dict[str, ParameterCount]:
    return {
        name.removeprefix("gpt2-"): count_parameters(replace(preset, qkv_bias=qkv_bias, tied_head=tied_head))
        for name, preset in _PRESETS.items()
    }


@cache
def _preset_bars(qkv_bias: bool, tied_head: bool) -> Any:
    counts = _preset_counts(qkv_bias, tied_head)
    return plot(parameter_bars({name: count.by_component for name, count in counts.items()}))


def _memory(config: GPTConfig, workload: Workload, over: str) -> list[Any]:
    estimate = memory_of(config, workload)
    points = memory_growth(config, workload, over)
    return [
        plot(memory_bar(estimate)),
        plot(memory_curve(points, _GROWTH[over], getattr(workload, over))),
        tables.memory_table(estimate),
        tables.fits_list(fits(estimate.total)),
    ]


def _operations(config: GPTConfig, workload: Workload, speed: Any) -> list[Any]:
    count = count_flops(config, workload.batch_size, workload.seq_len, workload.recompute)
    bar = plot(flop_bar(count.by_component))
    try:
        return [bar, tables.flop_table(count, 1e9 * float(speed or 0)), ""]
    except ValueError as error:
        return [bar, gr.skip(), problem(str(error))]


def _json(*settings: Any) -> dict[str, str] | None:
    possible = _possible(settings)
    return possible and json_file("calculation", record(*possible))


def _csv(*settings: Any) -> dict[str, str] | None:
    possible = _possible(settings)
    if possible is None:
        return None
    names = [field.name for field in fields(Formula)]
    return csv_file("calculation", ["section", *names], [[section, *astuple(row)] for section, row in sums(*possible)])


def _possible(settings: tuple[Any, ...]) -> tuple[GPTConfig, Workload] | None:
    """The settings, or None when the tab already says that they are impossible."""
    try:
        config, workload = settings_from(*settings)
        memory_of(config, workload)
    except ValueError:
        return None
    return config, workload

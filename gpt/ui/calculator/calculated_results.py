"""What the Calculator shows of a calculation: a value for each component, by name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

from gradio.components.plot import PlotData

from ...config import PRESET_NAMES, GPTConfig
from ...estimates.budget import ParameterCount, count_parameters, memory_growth, memory_of
from ...estimates.devices import fits
from ...estimates.flops import count_flops
from ...estimates.measurement import slowness
from ...estimates.resident_memory import resident_peak
from ...estimates.workload import Workload
from ..common.captions import About
from ..common.code_behind import code_value
from ..common.components import plot
from ..common.drawing import Updates
from ..common.page_html import problem
from . import estimate_tables as tables
from .after_chapter import Values, after_chapter
from .after_chapter_inputs import AfterInputs, first_inputs
from .calculation import about_settings
from .estimate_code import measuring_code, memory_code, operations_code, parameters_code
from .figures import flop_bar, memory_bar, memory_curve, parameter_bars
from .setting_controls import per_second

PRESETS = {name: GPTConfig.preset(name) for name in PRESET_NAMES}
GROWTH = {"seq_len": "tokens in each sequence", "batch_size": "sequences in the batch"}

DEFAULT_GFLOPS = 100


@dataclass(frozen=True)
class Asked:
    """What the panels ask beside the settings: `over` is a key of GROWTH, speed in GFLOP/s."""

    over: Any
    speed: Any
    after: AfterInputs


def first_asked(config: GPTConfig) -> Asked:
    """What the panels' fields hold at first."""
    return Asked("seq_len", DEFAULT_GFLOPS, first_inputs(config))


def asked_from(values: Sequence[Any]) -> tuple[Asked, Sequence[Any]]:
    """The first of some values as Asked, in the order of its fields, and the others."""
    n_after = len(fields(AfterInputs))
    over, speed, *rest = values
    return Asked(over, speed, AfterInputs(*rest[:n_after])), rest[n_after:]


@dataclass(frozen=True)
class ResultComponents:
    """The components that show a calculation."""

    config_note: Any
    workload_note: Any
    own_parameters: Any
    preset_parameters: Any
    parameters: Any
    head_answer: Any
    parameters_code: Any
    memory_parts: Any
    memory_growth: Any
    memory: Any
    devices: Any
    memory_code: Any
    operations_parts: Any
    operations: Any
    operations_code: Any
    speed_note: Any
    variants_note: Any
    variants_figure: Any
    variants: Any
    best_note: Any
    best: Any
    after_code: Any
    measure_note: Any  # this and the next are None where measuring is not allowed
    measure_code: Any

    def all(self) -> list[Any]:
        """Those that are there."""
        return [component for component in vars(self).values() if component is not None]

    def updates(self, values: Values) -> Updates:
        """The values by component."""
        of = {name: getattr(self, name) for name in values}
        return {of[name]: value for name, value in values.items() if of[name] is not None}


def calculated(config: GPTConfig, workload: Workload, asked: Asked) -> Values:
    """All results. Raises ValueError for an impossible workload."""
    return (
        _parameters(config)
        | _memory(config, workload, asked.over)
        | _operations(config, workload, asked.speed)
        | after_chapter(config, workload, asked.after)
        | {
            "measure_note": tables.hint(slowness(workload)),
            "measure_code": code_value(measuring_code(config, workload)),
        }
    )


def _parameters(config: GPTConfig) -> Values:
    own = count_parameters(config)
    return {
        "own_parameters": plot(
            parameter_bars({"": own.by_component}),
            about_settings("parameters", config, colours=_in_order(own.by_component)),
        ),
        "preset_parameters": _preset_bars(config.qkv_bias, config.tied_head),
        "parameters": tables.parameter_table(own, _preset_counts(config.qkv_bias, config.tied_head)),
        "head_answer": tables.head_answer(config),
        "parameters_code": code_value(parameters_code(config)),
    }


@cache
def _preset_counts(qkv_bias: bool, tied_head: bool) -> dict[str, ParameterCount]:
    return {
        name.removeprefix("gpt2-"): count_parameters(replace(preset, qkv_bias=qkv_bias, tied_head=tied_head))
        for name, preset in PRESETS.items()
    }


@cache
def _preset_bars(qkv_bias: bool, tied_head: bool) -> PlotData:
    counts = _preset_counts(qkv_bias, tied_head)
    about = About(
        "Calculator: parameters of GPT-2's sizes",
        places=_switches(qkv_bias, tied_head),
        colours=_in_order(counts["124M"].by_component),
    )
    return plot(parameter_bars({name: count.by_component for name, count in counts.items()}), about)


def _in_order(parts: Iterable[str]) -> str:
    return f"From left to right: {', '.join(parts).replace('_', ' ')}."


def _switches(qkv_bias: bool, tied_head: bool) -> dict[str, str]:
    return {
        "qkv_bias": "with qkv bias" if qkv_bias else "no qkv bias",
        "tied_head": "tied head" if tied_head else "head of its own",
    }


def _memory(config: GPTConfig, workload: Workload, over: str) -> Values:
    estimate = memory_of(config, workload)
    resident = resident_peak(config, workload)
    needed = estimate.peak if resident is None else resident.value
    points = memory_growth(config, workload, over)
    return {
        "memory_parts": plot(memory_bar(estimate), about_settings("memory", config, workload)),
        "memory_growth": plot(
            memory_curve(points, GROWTH[over], getattr(workload, over)),
            about_settings(f"memory over {GROWTH[over]}", config, workload),
        ),
        "memory": tables.memory_table(estimate, resident),
        "devices": tables.fits_list(fits(estimate.peak, needed), process_is_known=resident is not None),
        "memory_code": code_value(memory_code(config, workload)),
    }


def _operations(config: GPTConfig, workload: Workload, speed: Any) -> Values:
    count = count_flops(config, workload.batch_size, workload.seq_len, workload.recompute)
    try:
        rate, refused = per_second("Speed in GFLOP/s", speed), ""
    except ValueError as error:
        rate, refused = None, problem(str(error))
    return {
        "operations_parts": plot(
            flop_bar(count.by_component), about_settings("operations", config, workload, _in_order(count.by_component))
        ),
        "operations": tables.flop_table(count, rate),
        "operations_code": code_value(operations_code(config, workload)),
        "speed_note": refused,
    }

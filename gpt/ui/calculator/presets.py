"""The Calculator's ready configurations: the chapter's sizes and the loaded model, each a button.

A button is marked while the fields show its configuration. The loaded model fills the fields when the tab is opened,
unless the visitor has changed them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from ...config import GPTConfig
from ...estimates.workload import Workload
from ...files.layouts import WeightsError
from ...library import Library, LoadedModel
from ...model_reference import Reference
from ..common.drawing import Updates
from .calculated_results import PRESETS
from .setting_controls import ConfigControls, WorkloadControls, config_from, config_values, same_model

LOADED = "Loaded model"


@dataclass(frozen=True)
class Filled:
    """Which model filled the fields last."""

    reference: str
    config: GPTConfig


@dataclass(frozen=True)
class Fields:
    """All inputs that a configuration fills."""

    config: ConfigControls
    workload: WorkloadControls

    def all(self) -> list[Any]:
        """As a list, in the order of `settings_by_name`."""
        return [*vars(self.config).values(), *vars(self.workload).values()]

    def updates(self, settings: Mapping[str, Any]) -> Updates:
        """The settings by component."""
        return {getattr(self.config, name): settings[name] for name in vars(self.config)} | {
            getattr(self.workload, name): settings[name] for name in ("seq_len", "dtype")
        }


def preset_buttons(loaded: GPTConfig) -> dict[str, gr.Button]:
    """A button for each of PRESETS, and for the loaded model, which the fields show at first."""
    with gr.Row(elem_classes=["examples"]):
        labels = {name: name.removeprefix("gpt2-") for name in PRESETS} | {LOADED: LOADED}
        return {
            name: gr.Button(
                label,
                size="sm",
                min_width=50,
                variant=_variant((PRESETS | {LOADED: loaded})[name], loaded),
                elem_id=f"calc-preset-{label[:6].strip()}",
            )
            for name, label in labels.items()
        }


def marks(buttons: Mapping[str, gr.Button], config: GPTConfig | None, loaded: LoadedModel | None) -> Updates:
    """Marks the buttons whose configuration this is; none for an impossible one."""
    configs = PRESETS if loaded is None else PRESETS | {LOADED: loaded.model.config}
    return {button: gr.update(variant=_variant(configs.get(name), config)) for name, button in buttons.items()}


def _variant(config: GPTConfig | None, shown: GPTConfig | None) -> Literal["primary", "secondary"]:
    is_shown = config is not None and shown is not None and same_model(config, shown)
    return "primary" if is_shown else "secondary"


def first_settings(library: Library) -> tuple[GPTConfig, Workload]:
    """The default model's, or GPT-2 124M's where they cannot be read yet."""
    try:
        config, precision = library.default_config(), Reference.parse(library.default).precision
    except (ValueError, WeightsError):
        config, precision = PRESETS["gpt2-124M"], Workload.dtype
    return config, Workload(precision, seq_len=min(Workload.seq_len, config.context_length))


def filled_with(settings: Mapping[str, Any], config: GPTConfig) -> dict[str, Any]:
    """The settings with this configuration. A sequence that filled the context fills this one; others are shortened."""
    seq_len, context_length = settings["seq_len"], settings["context_length"]
    if isinstance(seq_len, int | float):
        new_length = config.context_length
        seq_len = new_length if seq_len == context_length else min(seq_len, new_length)
    return dict(settings) | config_values(config) | {"seq_len": seq_len}


def filled_with_loaded(settings: Mapping[str, Any], loaded: LoadedModel) -> dict[str, Any]:
    """The settings with the loaded model; with its precision, which training may not allow."""
    filled = filled_with(settings, loaded.model.config)
    return filled | ({"dtype": loaded.precision} if settings["mode"] == "inference" else {})


def untouched(settings: Mapping[str, Any], filled: Filled) -> bool:
    """Whether the fields still show the values that were filled in without a click."""
    try:
        return same_model(config_from(settings), filled.config)
    except ValueError:
        return False

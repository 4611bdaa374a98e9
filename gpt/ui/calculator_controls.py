"""The Calculator's inputs: a model's configuration, and what it is asked to do."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from ..config import GPTConfig
from ..workload import DTYPES, MODES, OPTIMIZERS, RECOMPUTE, Workload

_OPTIMIZER_LABELS = {
    "sgd": "SGD",
    "sgd_momentum": "SGD with momentum",
    "adam": "Adam",
    "adamw": "AdamW",
    "adamw_mixed": "AdamW, float32 master weights",
}
_RECOMPUTE_LABELS = {"none": "keep all", "selective": "recompute attention", "full": "recompute blocks"}


@dataclass(frozen=True)
class ConfigControls:
    """The inputs that make a GPTConfig, under its field names."""

    emb_dim: gr.Number
    n_layers: gr.Number
    n_heads: gr.Number
    context_length: gr.Number
    vocab_size: gr.Number
    drop_rate: gr.Number
    qkv_bias: gr.Checkbox
    tied_head: gr.Checkbox


@dataclass(frozen=True)
class WorkloadControls:
    """The inputs that make a Workload, under its field names."""

    mode: gr.Radio
    dtype: gr.Dropdown
    batch_size: gr.Number
    seq_len: gr.Number
    optimizer: gr.Dropdown
    recompute: gr.Dropdown


N_CONFIG = len(fields(ConfigControls))


def config_controls(config: GPTConfig) -> ConfigControls:
    """Number fields and check boxes, filled in."""

    def number(name: str, info: str) -> gr.Number:
        return gr.Number(getattr(config, name), label=name, info=info, min_width=90, elem_id=f"calc-{name}")

    with gr.Row():
        emb_dim = number("emb_dim", "Vector width.")
        n_layers = number("n_layers", "Blocks.")
        n_heads = number("n_heads", "Per block.")
    with gr.Row():
        context_length = number("context_length", "Most tokens.")
        vocab_size = number("vocab_size", "Tokens known.")
        drop_rate = number("drop_rate", "Only in training.")
    with gr.Row():
        tied_head = gr.Checkbox(config.tied_head, label="Tied output head", elem_id="calc-tied_head")
        qkv_bias = gr.Checkbox(config.qkv_bias, label="qkv_bias", elem_id="calc-qkv_bias")
    return ConfigControls(emb_dim, n_layers, n_heads, context_length, vocab_size, drop_rate, qkv_bias, tied_head)


def workload_controls(workload: Workload) -> WorkloadControls:
    """What the model is asked to do, filled in."""
    mode = gr.Radio(list(MODES), value=workload.mode, label="What for", show_label=False, elem_id="calc-mode")
    with gr.Row():
        batch_size = gr.Number(
            workload.batch_size, label="batch_size", info="Sequences.", min_width=70, elem_id="calc-batch_size"
        )
        seq_len = gr.Number(workload.seq_len, label="seq_len", info="Tokens.", min_width=70, elem_id="calc-seq_len")
        dtype = gr.Dropdown(
            list(DTYPES),
            value=workload.dtype,
            label="dtype",
            info="Of each number.",
            scale=2,
            min_width=140,
            elem_id="calc-dtype",
        )
    with gr.Row():
        optimizer = gr.Dropdown(
            [(_OPTIMIZER_LABELS[name], name) for name in OPTIMIZERS],
            value=workload.optimizer,
            label="Optimizer",
            info="For training.",
            min_width=130,
            elem_id="calc-optimizer",
        )
        recompute = gr.Dropdown(
            [(_RECOMPUTE_LABELS[name], name) for name in RECOMPUTE],
            value=workload.recompute,
            label="Activations",
            info="For training.",
            min_width=130,
            elem_id="calc-recompute",
        )
    return WorkloadControls(mode, dtype, batch_size, seq_len, optimizer, recompute)


def config_from(
    emb_dim: Any,
    n_layers: Any,
    n_heads: Any,
    context_length: Any,
    vocab_size: Any,
    drop_rate: Any,
    qkv_bias: bool,
    tied_head: bool,
) -> GPTConfig:
    """The configuration in the fields. Raises ValueError when it is impossible."""
    return GPTConfig(
        vocab_size=_whole("vocab_size", vocab_size),
        context_length=_whole("context_length", context_length),
        emb_dim=_whole("emb_dim", emb_dim),
        n_heads=_whole("n_heads", n_heads),
        n_layers=_whole("n_layers", n_layers),
        drop_rate=_filled("drop_rate", drop_rate),
        qkv_bias=qkv_bias,
        tied_head=tied_head,
    )


def workload_from(mode: str, dtype: str, batch_size: Any, seq_len: Any, optimizer: str, recompute: str) -> Workload:
    """The workload in the fields. Raises ValueError when it is impossible."""
    return Workload(dtype, _whole("batch_size", batch_size), _whole("seq_len", seq_len), mode, optimizer, recompute)


def settings_from(*values: Any) -> tuple[GPTConfig, Workload]:
    """Both, from the fields of `ConfigControls` and then of `WorkloadControls`."""
    return config_from(*values[:N_CONFIG]), workload_from(*values[N_CONFIG:])


def config_values(config: GPTConfig) -> list[Any]:
    """What the fields of `ConfigControls` show for a configuration."""
    return [getattr(config, field.name) for field in fields(ConfigControls)]


def workload_values(workload: Workload) -> list[Any]:
    """What the fields of `WorkloadControls` show for a workload."""
    return [getattr(workload, field.name) for field in fields(WorkloadControls)]


def _whole(name: str, value: Any) -> Any:
    """A browser sends 768 as a float now and then; what is no whole number is left for the library to refuse."""
    value = _filled(name, value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _filled(name: str, value: Any) -> Any:
    if value is None:
        raise ValueError(f"{name} is empty: type a number.")
    return value

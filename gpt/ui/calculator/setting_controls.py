"""The Calculator's inputs: a model's configuration, and what it is asked to do."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from ...config import ACTIVATIONS, GPTConfig
from ...estimates.workload import DTYPES, MODES, OPTIMIZERS, RECOMPUTE, Workload

_OPTIMIZER_LABELS = {
    "sgd": "SGD",
    "sgd_momentum": "SGD with momentum",
    "adam": "Adam",
    "adamw": "AdamW",
    "adamw_mixed": "AdamW, float32 master weights",
}
_RECOMPUTE_LABELS = {"none": "keep all", "selective": "recompute attention", "full": "recompute blocks"}
_ACTIVATION_LABELS = {"gelu_tanh": "GELU, tanh form", "gelu": "GELU, exact", "relu": "ReLU"}
_WHOLE = ("vocab_size", "context_length", "emb_dim", "n_heads", "n_layers")
_RATES = ("drop_rate_emb", "drop_rate_attn", "drop_rate_shortcut")  # each empty where it is drop_rate
_SLOWEST, _FASTEST = 1e-9, 1e12  # billions a second: so every time can be written
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}\b)")  # the comma of 3,072, as the page writes it
_MAY_BE_EMPTY = ("inner_dim", *_RATES)


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
    inner_dim: gr.Textbox
    activation: gr.Dropdown
    drop_rate_emb: gr.Textbox
    drop_rate_attn: gr.Textbox
    drop_rate_shortcut: gr.Textbox


@dataclass(frozen=True)
class WorkloadControls:
    """The inputs that make a Workload, under its field names."""

    mode: gr.Radio
    dtype: gr.Dropdown
    batch_size: gr.Number
    seq_len: gr.Number
    optimizer: gr.Dropdown
    recompute: gr.Dropdown


def config_controls(config: GPTConfig) -> ConfigControls:
    """Number fields and check boxes, filled in."""

    def number(name: str, info: str) -> gr.Number:
        return gr.Number(getattr(config, name), label=name, info=info, min_width=90, elem_id=f"calc-{name}")

    def may_be_empty(name: str, info: str, empty: str) -> gr.Textbox:
        """Of a gr.Number that is empty, Gradio's page makes 0 as soon as it comes into view."""
        value = getattr(config, name)
        text = "" if value is None else str(value)
        return gr.Textbox(
            text, label=name, info=info, placeholder=empty, max_lines=1, min_width=130, elem_id=f"calc-{name}"
        )

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
    with gr.Accordion("Feed-forward and dropout by place", open=False, elem_id="calc-more"):
        with gr.Row():
            inner_dim = may_be_empty("inner_dim", "Inside the feed-forward.", "4 · emb_dim")
            activation = gr.Dropdown(
                [(_ACTIVATION_LABELS[name], name) for name in ACTIVATIONS],
                value=config.activation,
                label="activation",
                info="Between its layers.",
                min_width=140,
                elem_id="calc-activation",
            )
        with gr.Row():
            places = ("After embeddings.", "On attention.", "Before shortcuts.")
            rates = [may_be_empty(name, info, "drop_rate") for name, info in zip(_RATES, places, strict=True)]
    return ConfigControls(
        emb_dim,
        n_layers,
        n_heads,
        context_length,
        vocab_size,
        drop_rate,
        qkv_bias,
        tied_head,
        inner_dim,
        activation,
        *rates,
    )


def workload_controls(workload: Workload) -> tuple[WorkloadControls, gr.Row]:
    """What the model is asked to do, filled in, and the row of what only training needs."""
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
    with gr.Row(visible=workload.mode == "training") as training_choices:
        optimizer = _training_choice("optimizer", "Optimizer", OPTIMIZERS, _OPTIMIZER_LABELS, workload.optimizer)
        recompute = _training_choice("recompute", "Activations", RECOMPUTE, _RECOMPUTE_LABELS, workload.recompute)
    mode.input(
        lambda chosen: gr.update(visible=chosen == "training"), [mode], [training_choices], api_visibility="private"
    )
    return WorkloadControls(mode, dtype, batch_size, seq_len, optimizer, recompute), training_choices


def _training_choice(
    name: str, label: str, choices: Iterable[str], labels: Mapping[str, str], value: str
) -> gr.Dropdown:
    return gr.Dropdown(
        [(labels[choice], choice) for choice in choices],
        value=value,
        label=label,
        info="Of the training step." if name == "optimizer" else "For the backward pass.",
        min_width=130,
        elem_id=f"calc-{name}",
    )


def settings_by_name(*values: Any) -> dict[str, Any]:
    """The values of the fields of `ConfigControls` and then of `WorkloadControls`, by name; None of an empty one."""
    names = [field.name for field in (*fields(ConfigControls), *fields(WorkloadControls))]
    settings = dict(zip(names, values, strict=True))
    return settings | {name: _number_in(settings[name]) for name in _MAY_BE_EMPTY}


def config_from(settings: Mapping[str, Any]) -> GPTConfig:
    """The configuration in the fields. Raises ValueError when it is impossible."""
    inner_dim = settings["inner_dim"]
    return GPTConfig(
        **{name: whole(name, settings[name]) for name in _WHOLE},
        **{name: settings[name] for name in ("qkv_bias", "tied_head", "activation", *_RATES)},
        drop_rate=_filled("drop_rate", settings["drop_rate"]),
        inner_dim=None if inner_dim is None else whole("inner_dim", inner_dim),
    )


def workload_from(settings: Mapping[str, Any]) -> Workload:
    """The workload in the fields that the mode needs. Raises ValueError when it is impossible."""
    counts = {name: whole(name, settings[name]) for name in ("batch_size", "seq_len")}
    training = ("optimizer", "recompute") if settings["mode"] == "training" else ()
    return Workload(**counts, **{name: settings[name] for name in ("mode", "dtype", *training)})


def settings_from(*values: Any) -> tuple[GPTConfig, Workload]:
    """Both, from the values of all fields. Raises ValueError when they are impossible."""
    settings = settings_by_name(*values)
    return config_from(settings), workload_from(settings)


def config_values(config: GPTConfig) -> dict[str, Any]:
    """What the fields of `ConfigControls` show for a configuration."""
    return {field.name: getattr(config, field.name) for field in fields(ConfigControls)}


def same_model(config: GPTConfig, other: GPTConfig) -> bool:
    """Whether two configurations show the same in the fields: their sizes, rates and switches agree."""
    return _shown(config) == _shown(other)


def _shown(config: GPTConfig) -> dict[str, Any]:
    rates = dict(zip(_RATES, config.drop_rates, strict=True))
    return config_values(config) | rates | {"inner_dim": config.inner_width, "drop_rate": None}


def whole(name: str, value: Any) -> Any:
    """A typed number, of which a browser may make a float. Raises ValueError where nothing is typed.

    What is not a whole number is left for the library to refuse.
    """
    value = _filled(name, value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def per_second(name: str, value: Any) -> float:
    """A typed number of billions a second, as one a second. Raises ValueError for one that cannot be a machine's."""
    billions = float(_filled(name, value))
    if not _SLOWEST <= billions <= _FASTEST:
        raise ValueError(f"{name} is {billions:g}: choose a number from {_SLOWEST:.9f} to {_FASTEST:,.0f}.")
    return 1e9 * billions


def as_labelled(refusal: str) -> str:
    """A refusal with the choices called as the page calls them."""
    return refusal.replace("adamw_mixed", _OPTIMIZER_LABELS["adamw_mixed"]).replace("adamw", _OPTIMIZER_LABELS["adamw"])


def _number_in(text: Any) -> Any:
    """The number in a field of text, None in an empty one; what is no number is left for the library to refuse."""
    if text in (None, ""):
        return None
    try:
        return float(_GROUPED.sub("", str(text)))
    except ValueError:
        return text


def _filled(name: str, value: Any) -> Any:
    if value is None:
        raise ValueError(f"{name} is empty: type a number.")
    return value

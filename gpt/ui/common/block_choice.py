"""Sliders over the blocks and the heads of a model."""

from typing import Any

import gradio as gr

from ...config import GPTConfig

_LABELS = ("Block", "Head")


def fits_its_model(slider: gr.Slider) -> bool:
    """Whether a slider counts blocks or heads: the tab fits its range to the model whenever it is drawn."""
    return slider.label in _LABELS


def block_slider(elem_id: str, info: str) -> gr.Slider:
    """A slider over a model's blocks; `block_in` fits it to the model."""
    return gr.Slider(0, 11, 0, step=1, label="Block", info=info, elem_id=elem_id)


def block_in(config: GPTConfig, block: float) -> tuple[int, dict[str, Any]]:
    """The chosen block, or the model's last where it has fewer, and the update that fits the slider to the model.

    A value that fits is left alone: setting it would move the slider while it is being dragged.
    """
    return _fitted(block, config.n_layers - 1)


def head_slider(elem_id: str, info: str) -> gr.Slider:
    """A slider over the heads of a block; `head_in` fits it to the model."""
    return gr.Slider(0, 11, 0, step=1, label="Head", info=info, elem_id=elem_id)


def head_in(config: GPTConfig, head: float) -> tuple[int, dict[str, Any]]:
    """The same as `block_in` for the chosen head."""
    return _fitted(head, config.n_heads - 1)


def _fitted(value: float, last: int) -> tuple[int, dict[str, Any]]:
    if value <= last:
        return int(value), gr.update(maximum=last)
    return last, gr.update(maximum=last, value=last)

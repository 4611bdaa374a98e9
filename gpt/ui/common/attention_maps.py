"""All attention heads of a model as one field of small maps, every map a button.

A gr.HTML like the token strip; its value is structured data, which the template here turns into HTML.
"""

from base64 import b64encode
from dataclasses import replace
from io import BytesIO
from typing import Any

import gradio as gr
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from .captions import About
from .choice_script import CHOOSING
from .colours import ACCENT, channels
from .saved_pictures import words_of

_COLOURS = (
    "A row of maps is a block, a column a head; in each, a row is a token that looks, and blue deepens with the square "
    "root of the weight. Framed: the head that is enlarged."
)
# Cells of all maps together: enough to recognise a head, few enough to be sent quickly.
_MOST_CELLS = 400_000

_TEMPLATE = r"""${(() => {
  if (!value || !value.blocks) return '';
  const escape = (text) => String(text).replace(/[&<>"'`]/g, (c) => '&#' + c.charCodeAt(0) + ';');
  const numbers = (n) => [...Array(n).keys()].map((i) => '<span>' + i + '</span>').join('');
  const map = (i) => {
    const name = 'block ' + Math.floor(i / value.heads) + ', head ' + (i % value.heads);
    return '<button type="button" class="map' + (i === value.selected ? ' selected' : '') + '" data-index="' + i +
      '" aria-label="' + name + '" title="' + name + '" aria-pressed="' + (i === value.selected) +
      '" tabindex="' + (i === value.selected ? 0 : -1) + '"></button>';
  };
  return '<span hidden data-picture="' + escape(value.picture) + '"></span>' +
    '<p class="field-axes" aria-hidden="true">head →, block ↓</p>' +
    '<div class="maps" style="--blocks:' + Number(value.blocks) + ';--heads:' + Number(value.heads) + '">' +
    '<div class="maps-heads" aria-hidden="true">' + numbers(value.heads) + '</div>' +
    '<div class="maps-blocks" aria-hidden="true">' + numbers(value.blocks) + '</div>' +
    '<div class="maps-field" role="group" aria-label="attention heads: a row per block, a column per head">' +
    '<img alt="" src="' + escape(value.image) + '">' +
    '<div class="maps-buttons">' + [...Array(value.blocks * value.heads).keys()].map(map).join('') + '</div>' +
    '</div></div>';
})()}"""

_EVENTS = (
    CHOOSING
    + r"""
chooseFrom('.map', () => {
  const heads = props.value.heads;
  return {ArrowRight: 1, ArrowLeft: -1, ArrowDown: heads, ArrowUp: -heads};
});
"""
)


def attention_maps(elem_id: str) -> gr.HTML:
    """An empty field; its `select` event carries block * heads + head of the chosen map."""
    return gr.HTML(value=None, html_template=_TEMPLATE, js_on_load=_EVENTS, elem_id=elem_id, elem_classes=["flush"])


def maps_value(weights: Tensor, selected: tuple[int, int], about: About) -> dict[str, Any]:
    """What the field shows of attention weights (L, h, t, s); selected is the marked (block, head)."""
    n_blocks, n_heads = weights.shape[:2]
    return {
        "picture": words_of(replace(about, colours=_COLOURS)),
        "blocks": n_blocks,
        "heads": n_heads,
        "selected": selected[0] * n_heads + selected[1],
        "image": "data:image/png;base64," + b64encode(png(small_maps(weights))).decode(),
    }


def small_maps(weights: Tensor) -> Tensor:
    """Weights (L, h, t, s) as one picture (L * rows, h * columns) of strengths 0 to 255.

    A cell has the largest of the weights it stands for; the square root makes small ones visible.
    """
    n_blocks, n_heads, t, s = weights.shape
    side = max(1, int((_MOST_CELLS / (n_blocks * n_heads)) ** 0.5))
    small = F.adaptive_max_pool2d(weights, (min(t, side), min(s, side)))
    return (255 * small.sqrt()).round().to(torch.uint8).permute(0, 2, 1, 3).flatten(2).flatten(0, 1)


def png(strengths: Tensor) -> bytes:
    """Strengths (rows, columns) uint8 as a picture in the accent colour, transparent at 0."""
    picture = Image.fromarray(strengths.numpy(), "P")
    picture.putpalette([*channels(ACCENT)] * 256)
    file = BytesIO()
    picture.save(file, "PNG", transparency=bytes(range(256)))
    return file.getvalue()

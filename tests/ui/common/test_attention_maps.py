"""The field of all heads: every map in its place, as opaque as the attention is strong."""

from io import BytesIO

import numpy as np
import torch
from PIL import Image

from gpt.ui.common.attention_maps import maps_value, png, small_maps
from gpt.ui.common.captions import About


def test_small_maps_keep_every_head_in_its_place_and_its_strongest_cell():
    weights = torch.zeros(2, 3, 516, 516)
    weights[1, 2, 515, 7] = 0.25
    picture = small_maps(weights)  # two weights to a cell each way
    assert picture.shape == (2 * 258, 3 * 258)
    assert picture.nonzero().tolist() == [[2 * 258 - 1, 2 * 258 + 3]]
    assert int(picture.max()) == round(255 * 0.25**0.5)


def test_the_picture_is_as_opaque_as_the_attention_is_strong():
    strengths = torch.arange(256, dtype=torch.uint8).view(16, 16)
    alpha = Image.open(BytesIO(png(strengths))).convert("RGBA").getchannel("A")
    assert np.asarray(alpha).tolist() == strengths.tolist()


def test_the_picture_has_the_accent_colour():
    picture = Image.open(BytesIO(png(torch.full((1, 1), 255, dtype=torch.uint8)))).convert("RGBA")
    assert picture.getpixel((0, 0)) == (0x2C, 0x7F, 0xC4, 255)


def test_the_field_marks_the_selected_head():
    value = maps_value(torch.rand(3, 4, 12, 12), (1, 2), About("All heads"))
    assert (value["blocks"], value["heads"], value["selected"]) == (3, 4, 6)
    assert value["image"].startswith("data:image/png;base64,")

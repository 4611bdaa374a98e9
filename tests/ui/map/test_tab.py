"""What the Map tab says, against the model and its recorded pass."""

import html
import json
import re
from base64 import b64decode
from io import BytesIO
from math import log

import numpy as np
import pytest
import torch
from PIL import Image

from gpt.estimates.budget import count_parameters
from gpt.estimates.flops import count_flops
from gpt.model import watched
from gpt.recording.model_source import lines
from gpt.recording.recorder import record
from gpt.ui.common.number_format import percent, real
from gpt.ui.map.code_lines import png
from gpt.ui.map.model_picture import FIRST_HEAD
from gpt.ui.map.words import BOXES, FLOPS, LENGTH, PARAMETERS, SHAPE


@pytest.fixture
def opened(visitor):
    """Opens the tab: opened(box="attention", block=1, …)."""

    def opened(token: int = 3, **values: object):
        start = {"map_box": "attention", "map_block": 0, "map_head": 0, "map_carried": SHAPE}
        visitor.put(**(start | {f"map_{name}": value for name, value in values.items()}))
        visitor.fire("map-strip", "select", index=token)
        return visitor

    return opened


def text_of(svg: str) -> list[str]:
    return [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


def plain(shown: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", shown))


def recording(visitor, block: int):
    return record(visitor.model, visitor.run.ids, block)


@pytest.fixture(autouse=True)
def model(visitor, uneven_model):
    visitor.model = uneven_model


def test_boxes_carry_the_shapes_of_this_prompt(opened):
    t = len(opened().run.ids)
    said = text_of(opened(carried=SHAPE).value("map-picture"))
    assert said.count(f"1 × {t} × 24") > 8
    assert f"1 × {t} × 50,257" in said and f"1 × {t}" in said


def test_boxes_carry_the_parameters_of_the_model(opened, uneven_model):
    counted = count_parameters(uneven_model.config)
    said = text_of(opened(block=1, carried=PARAMETERS).value("map-picture"))
    block = sum(counted.per_block.values())
    for number in (*counted.per_block.values(), *counted.by_component.values(), block):
        if number not in (counted.per_block["norms"], *(3 * each for each in counted.per_block.values())):
            assert f"{number:,}" in said or number == counted.by_component["norms"], number
    assert said.count(f"{block:,}") == 3  # the open one, and one folded on each side


def test_boxes_carry_shares_of_flops_that_sum_to_all(opened, uneven_model):
    t = len(opened().run.ids)
    cost = count_flops(uneven_model.config, 1, t)
    said = text_of(opened(block=1, carried=FLOPS).value("map-picture"))
    head = cost.by_component["output_head"] / cost.forward
    assert percent(head) in said
    assert percent((1 - head) / 3) in said


def test_lines_carry_the_length_of_the_stream(opened):
    visitor = opened(block=1, carried=LENGTH, token=5)
    (block,) = recording(visitor, 1).calls_of("TransformerBlock.forward")
    said = text_of(visitor.value("map-picture"))
    assert real(float(block.arguments["x"][0, 5].norm())) in said
    assert real(float(block.returned[0, 5].norm())) in said
    assert real(float(block.values("shortcut")[1][0, 5].norm())) in said


@pytest.mark.parametrize("key", [key for key, box in BOXES.items() if box.defined])
def test_a_box_opens_its_code_as_it_stands_in_the_file(opened, key):
    shown = opened(box=key, block=1).value("map-code")
    numbered = re.findall(r'<li class="[^"]*" value="(\d+)"><code>(.*?)</code>', shown)
    assert len(numbered) > 5
    for number, code in numbered:
        assert html.unescape(re.sub(r"<[^>]*>", "", code)) == lines()[int(number) - 1]
    assert f"class {BOXES[key].defined[0]}" in shown
    assert 'class="made"' in shown


def test_each_line_tells_what_it_made_for_this_token_and_head(opened):
    visitor = opened(box="attention", block=2, head=1, token=4)
    shown = visitor.value("map-code")
    (call,) = recording(visitor, 2).calls_of("attention_weights")
    weights = call.returned
    row = weights[0, 1, 4]
    expected = f"mean {real(float(row.mean()))}, deviation {real(float(row.std(correction=0)))}"
    assert expected in plain(shown)
    assert f"{weights.shape[-1] - 5} × −∞" in plain(shown)


def test_norms_show_mean_and_variance_of_the_token(opened):
    visitor = opened(box="norm2", block=1, token=2)
    (norm,) = recording(visitor, 1).calls_of("LayerNorm.forward", "trf_blocks.1.norm2")
    said = re.sub(r"\s+", " ", plain(visitor.value("map-code")))
    assert f"mean 1 × {len(visitor.run.ids)} × 1 = {real(float(norm.values('mean')[0][0, 2]))}" in said
    assert f"var 1 × {len(visitor.run.ids)} × 1 = {real(float(norm.values('var')[0][0, 2]))}" in said


def test_a_cell_of_queries_and_keys_can_be_followed(opened):
    visitor = opened(box="attention", block=1, head=1, token=4)
    place = re.search(r'data-follow="([^"]*)"', visitor.value("map-follow")).group(1)
    data = json.loads(html.unescape(place))
    (call,) = recording(visitor, 1).calls_of("attention_weights")
    i, j = 4, 2  # the first tokens: rows and columns begin at 0
    query, key = data["queries"][i], data["keys"][j]
    assert data["products"][i][j] == pytest.approx(sum(a * b for a, b in zip(query, key, strict=True)), rel=1e-3)
    assert data["scaled"][i][j] == pytest.approx(data["products"][i][j] / 12**0.5, rel=1e-4)
    assert data["divisor"].startswith("√12 = 3.464")
    assert data["masked"][i][j + 3] is None and data["masked"][i][j] == data["scaled"][i][j]
    assert data["weights"][i][j] == percent(float(call.returned[0, 1, i, j]))
    total = sum(float(torch.tensor(each).exp()) for each in data["masked"][i] if each is not None)
    assert data["totals"][i] == pytest.approx(log(total), rel=1e-4)


def test_softmax_lists_the_models_likeliest_tokens(opened, uneven_model):
    visitor = opened(box="softmax", token=3)
    with torch.no_grad(), watched():
        logits = uneven_model(torch.tensor([visitor.run.ids]))[0, 3]
    probabilities = logits.double().softmax(0)
    said = plain(visitor.value("map-code"))
    for value, index in zip(*probabilities.topk(8), strict=True):
        assert percent(float(value)) in said and real(float(logits[index])) in said
    following = float(probabilities[visitor.run.ids[4]])
    assert any(text.startswith(percent(following)) for text in text_of(visitor.value("map-picture")))


def test_a_click_opens_a_box_a_head_or_the_next_block(opened):
    visitor = opened(box="norm1", block=1)
    visitor.fire("map-picture", "select", index=list(BOXES).index("feed-forward"))
    assert visitor.value("map-box") == "feed-forward"
    assert "Feed-forward of block 1" in plain(visitor.value("map-heading"))
    visitor.fire("map-picture", "select", index=list(BOXES).index("later"))
    assert (visitor.value("map-box"), visitor.value("map-block")) == ("block", 2)
    visitor.fire("map-picture", "select", index=list(BOXES).index("earlier"))
    assert visitor.value("map-block") == 1
    visitor.fire("map-picture", "select", index=FIRST_HEAD + 1)
    assert (visitor.value("map-box"), visitor.value("map-head")) == ("attention", 1)


def test_what_a_smaller_model_does_not_have_is_not_opened(opened):
    visitor = opened(block=11, head=9)
    assert (visitor.value("map-block"), visitor.value("map-head")) == (2, 1)
    assert "of block 2" in plain(visitor.value("map-heading"))


@pytest.mark.parametrize("key", [key for key in BOXES if key not in ("earlier", "later")])
def test_every_box_leads_to_a_tab_that_shows_more(opened, key):
    visitor = opened(box=key, block=1)
    visitor.fire("map-more")
    (selected,) = [value.selected for block, value in visitor.news if block.elem_id == "tabs"]
    assert selected == BOXES[key].more
    if selected == "layernorm":
        assert visitor.value("norm-name") == BOXES[key].more_values["norm"]
        assert visitor.value("norm-block") == 1
    if selected == "inside":
        assert visitor.value("inside-view") == BOXES[key].more_values["view"]


def test_the_map_says_what_its_picture_is_of(opened):
    shown = opened(box="norm1", block=1, carried=LENGTH).value("map-picture")
    words = json.loads(html.unescape(re.search(r'data-picture="([^"]*)"', shown)[1]))
    assert words["title"] == "Map"
    assert words["name"].startswith("map_") and "_block1-head0_" in words["name"]
    assert "Prompt: “Every effort moves you”" in words["caption"]


def test_pictures_are_blue_below_0_orange_above_and_clear_at_0():
    picture = torch.tensor([[-1.0, 0.0, 1.0, 0.5]])
    image = np.asarray(Image.open(BytesIO(png(picture))).convert("RGBA"))[0]
    assert image[0].tolist() == [47, 127, 208, 254] and image[2].tolist() == [217, 115, 13, 254]
    assert image[1, 3] == 0 and 120 < image[3, 3] < 135


def test_pictures_on_the_page_can_be_read(opened):
    shown = opened(box="feed-forward").value("map-code")
    pictures = re.findall(r'src="data:image/png;base64,([^"]*)"', shown)
    assert len(pictures) > 5
    assert all(Image.open(BytesIO(b64decode(each))).size[0] <= 64 for each in pictures)

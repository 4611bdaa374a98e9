"""The map as a drawing: everything is on it, can be reached, and fits."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from gpt.ui.map.model_picture import FIRST_HEAD, WIDTH, Drawn, map_svg
from gpt.ui.map.words import BOXES

PLAIN = Drawn(
    title="a model, token 4 of “<script>”",
    prompt="<b>·moves·you",
    next_token="·&",
    next_said="follows: 12.4 %, rank 3",
    n_layers=3,
    n_heads=4,
    block=1,
    head=2,
    selected="attention",
    values={"attention": "1 × 4 × 24", "between": "1.2345"},
)


def elements(drawn: Drawn) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(map_svg(drawn)).iter())


def buttons(drawn: Drawn) -> dict[int, ElementTree.Element]:
    return {int(each.get("data-index", "")): each for each in elements(drawn) if each.get("data-index")}


def test_every_box_and_every_head_is_a_button_with_a_name():
    found = buttons(PLAIN)
    assert set(found) == {*range(len(BOXES)), *(FIRST_HEAD + head for head in range(4))}
    assert all(each.get("role") == "button" and each.get("aria-label") for each in found.values())
    pressed = [index for index, each in found.items() if each.get("aria-pressed") == "true"]
    assert sorted(pressed) == [list(BOXES).index("attention"), FIRST_HEAD + 2]
    assert [index for index, each in found.items() if each.get("tabindex") == "0"] == [list(BOXES).index("attention")]


def test_text_is_text_also_where_it_looks_like_html():
    svg = map_svg(PLAIN)
    assert "<script>" not in svg and "<b>" not in svg
    said = [each.text for each in elements(PLAIN)]
    assert "<b>·moves·you" in said and "·&" in said and "1 × 4 × 24" in said and "1.2345" in said


@pytest.mark.parametrize(
    ("block", "folds"), [(0, ["Blocks 1 – 47"]), (47, ["Blocks 0 – 46"]), (20, ["Blocks 0 – 19", "Blocks 21 – 47"])]
)
def test_48_blocks_fold_into_one_that_is_open(block, folds):
    drawn = replace(PLAIN, n_layers=48, n_heads=25, block=block)
    said = [each.text for each in elements(drawn) if each.text]
    assert [text for text in said if text.startswith("Blocks")] == folds
    assert f"Transformer block {block}" in said
    height = float(re.search(r'height="([\d.]+)"', map_svg(drawn)).group(1))
    assert height < 720


@pytest.mark.parametrize("n_heads", [1, 12, 25, 40, 41])
def test_heads_stay_inside_their_box_or_are_left_out(n_heads):
    found = buttons(replace(PLAIN, n_heads=n_heads, head=0))
    squares = [each for index, each in found.items() if index >= FIRST_HEAD]
    assert len(squares) == (n_heads if n_heads <= 40 else 0)
    for square in squares:
        (rect,) = [each for each in square if each.tag.endswith("rect")]
        assert float(rect.get("x", "")) >= 82 and float(rect.get("x", "")) + float(rect.get("width", "")) <= 318


def test_nothing_is_drawn_outside():
    for each in elements(replace(PLAIN, n_layers=1, block=0)):
        if each.tag.endswith("rect"):
            assert float(each.get("x", "")) >= 0 and float(each.get("x", "")) + float(each.get("width", "")) <= WIDTH

"""A figure is saved as a picture: with its words, in the page's font and on its ground, the same bytes each time."""

from xml.etree import ElementTree

import pytest
from PIL import Image

LINK = "?prompt=Every+effort+moves+you&length=3&seed=123&tab=layernorm&view=Feature+map&block=1&norm=norm2"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def saved(open_page, save_picture):
    """The picture of the figure that a link opens, saved by the keyboard as the visitor does."""
    return lambda kind, **page_options: save_picture(open_page(LINK, **page_options), "#norm-figure", kind)


def test_the_same_link_gives_the_same_bytes_on_a_wide_and_on_a_narrow_page(saved):
    wide, narrow = (saved("SVG", width=width) for width in (1280, 390))
    assert wide.read_bytes() == narrow.read_bytes()
    assert wide.name.startswith("0-layernorm-feature-map_")
    assert wide.name.endswith("_block1-norm2_token5.svg")


def test_a_picture_says_what_it_is_of_and_brings_its_fonts(saved):
    picture = ElementTree.fromstring(saved("SVG").read_text())
    written = " ".join(text.text or "" for text in picture.iter(f"{SVG}text"))
    for said in ("LayerNorm: feature map", "block 1, norm2", "Prompt: “Every effort moves you”", "Blue: below 0."):
        assert said in written
    assert picture.findtext(f"{SVG}title") == "LayerNorm: feature map"
    style = picture.findtext(f"{SVG}style") or ""
    assert 'font-family:"Source Sans Pro"' in style and 'font-family:"IBM Plex Mono"' in style
    assert "http" not in style


@pytest.mark.parametrize(("theme", "ground"), [("light", (255, 255, 255)), ("dark", (10, 15, 30))])
def test_a_png_has_twice_the_pixels_and_the_pages_ground(saved, theme, ground):
    picture = Image.open(saved("PNG", theme=theme)).convert("RGBA")
    assert picture.width == 1800
    assert picture.getpixel((2, 2)) == (*ground, 255)

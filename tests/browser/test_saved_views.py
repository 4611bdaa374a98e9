"""A view written in HTML is saved as a picture of plain boxes and texts: with its words, the same bytes each time."""

from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

RUN = "?prompt=Every+effort+moves+you&length=3&seed=123&tab="
SVG = "{http://www.w3.org/2000/svg}"
BLANK = {"foreignObject", "script"}  # what an office program would leave out


def texts(path: Path) -> str:
    """All that is written in a picture, pieces separated by spaces."""
    picture = ElementTree.fromstring(path.read_text())
    assert not BLANK & {element.tag.removeprefix(SVG) for element in picture.iter()}
    return " ".join(text.text or "" for text in picture.iter(f"{SVG}text"))


def test_the_candidates_are_the_same_bytes_on_a_wide_and_on_a_narrow_page(open_page, save_picture):
    wide, narrow = (save_picture(open_page(f"{RUN}probabilities", width=width), "#candidates") for width in (1280, 390))
    assert wide.read_bytes() == narrow.read_bytes()
    assert wide.name.startswith("0-probabilities-candidates_") and wide.name.endswith("_token5.svg")
    written = texts(wide)
    for said in ("Probabilities: candidates", "Prompt: “Every effort moves you”", "rank", "logit", "other tokens"):
        assert said in written


def test_the_table_of_the_lens_and_its_strip_say_what_they_are_of(open_page, save_picture):
    page = open_page(f"{RUN}inside&view=Logit+lens")
    lens, strip = texts(save_picture(page, "#inside-table")), texts(save_picture(page, "#inside-strip"))
    assert "Inside: logit lens, table" in lens and "embeddings" in lens and "block 1" in lens
    shown = page.locator("#inside-strip .token").all_text_contents()
    assert "Inside: tokens" in strip
    assert all(token in strip for token in shown) and len(shown) == 7


def test_a_png_of_the_placeholder_table_has_its_dots_and_bars_in_their_colours(open_page, save_picture):
    page = open_page(f"{RUN}building-blocks&view=placeholder", theme="dark")
    picture = Image.open(save_picture(page, "#ladder", "PNG")).convert("RGB")
    assert picture.width >= 1800  # wider where the table is
    found = {colour for _, colour in picture.getcolors(2**20)}
    dots = page.locator("#ladder .dot:not(.none)").evaluate_all(
        "(dots) => dots.map((dot) => getComputedStyle(dot).backgroundColor)"
    )
    for colour in set(dots):
        assert tuple(int(part) for part in colour[4:-1].split(", ")) in found

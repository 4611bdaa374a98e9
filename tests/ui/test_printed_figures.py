"""Every figure that chapter 4 prints, where the page shows it, and that it is the printed one.

A figure may differ by one in its last digit, as editions of the book do. Means around 1e-8, which the chapter prints
too, are rounding noise and are not listed.
"""

import html
import re
from collections.abc import Callable

import pytest

from gpt.library import Library
from gpt.ui.layernorm.chapter_example import BIASED, OUTPUTS, UNBIASED
from gpt.ui.layernorm.tab import EXAMPLE
from tests.chapter.test_printed_figures import SECTION_4_1, SECTION_4_6
from tests.ui.visitor import Visitor

BATCH_IDS = "6109 3626 6100 345 6109 1110 6622 257"


def printed_panel(visitor: Visitor) -> str:
    return visitor.open_tab("Printed figures")


def placeholder_part(visitor: Visitor) -> str:
    return printed_panel(visitor).partition("4.6 Logits")[0]


def model_part(visitor: Visitor) -> str:
    return printed_panel(visitor).partition("4.6 Logits")[2].partition("4.7 ")[0]


def text_part(visitor: Visitor) -> str:
    return printed_panel(visitor).partition("4.7 ")[2]


def example(variance: str, stage: str) -> Callable[[Visitor], str]:
    def shown(visitor: Visitor) -> str:
        visitor.put(norm_view=EXAMPLE, example_rows=OUTPUTS, example_variance=variance, example_eps=-5)
        visitor.open_tab("LayerNorm")
        rows = visitor.value("example-numbers").split("<tr>")
        return " ".join(row for row in rows if f">{stage}, example" in row)

    return shown


def shapes(text: str, model: str, code: str) -> Callable[[Visitor], str]:
    def shown(visitor: Visitor) -> str:
        visitor.put(shapes_text=text, shapes_model=model, shapes_batch=2, shapes_length=3)
        rows = visitor.open_tab("Shapes").split("<tr>")
        return " ".join(re.sub(r"<sub>.*?</sub>", "", row) for row in rows if html.escape(code) in row)

    return shown


def gradients(column: int) -> Callable[[Visitor], str]:
    def shown(visitor: Visitor) -> str:
        visitor.open_tab("Shortcuts")
        rows = re.findall(r"<tr><th scope=\"row\">Layer.*?</tr>", visitor.value("chapter-gradients-said"))
        # Seven digits: what a float32 number holds of the 17 that are printed.
        return " ".join(f"{float(re.findall('<td>(.*?)</td>', row)[column]):.7g}" for row in rows)

    return shown


def calculator(visitor: Visitor) -> str:
    visitor.fire("calc-preset-124M")
    visitor.open_tab("Calculator")
    blocks = visitor.blocks.blocks.values()
    return " ".join(str(visitor.values[each._id]) for each in blocks if str(each.elem_id).startswith("calc-"))


# Section, what is printed, where the page shows it, and the figures as they are printed.
FIGURES = [
    ("4.1", "token ids of the batch", "Building blocks: Printed figures", placeholder_part, BATCH_IDS),
    ("4.1", "placeholder, shape of the logits", "Building blocks: Printed figures", placeholder_part, "2 4 50257"),
    ("4.1", "placeholder, logits", "Building blocks: Printed figures", placeholder_part, SECTION_4_1),
    ("4.2", "outputs of the layer", "LayerNorm: example", example(BIASED, "before"),
     "0.2260 0.3470 0.0000 0.2216 0.0000 0.0000 0.2133 0.2394 0.0000 0.5198 0.3297 0.0000"),
    ("4.2", "their means and variances", "LayerNorm: example", example(BIASED, "before"),
     "0.1324 0.0231 0.2170 0.0398"),
    ("4.2", "normalized by hand", "LayerNorm: example", example(UNBIASED, "without eps"),
     "0.6159 1.4126 -0.8719 0.5872 -0.8719 -0.8719 -0.0189 0.1121 -1.0876 1.5173 0.5647 -1.0876"),
    ("4.2", "variance by hand", "LayerNorm: example", example(UNBIASED, "without eps"), "1.0000 1.0000"),
    ("4.2", "variance after the class", "LayerNorm: example", example(BIASED, "normalized"), "0.9995 0.9997"),
    ("4.3", "feed-forward, shape", "Building blocks: Shapes", shapes("Any batch", "gpt2-124M", "ff.layers[2](…)"),
     "2 3 768"),
    ("4.4", "gradients without shortcuts", "Building blocks: Shortcuts", gradients(1),
     "0.0002017359 0.0001201116 0.0007152040 0.001398874 0.005049645"),
    ("4.4", "gradients with shortcuts", "Building blocks: Shortcuts", gradients(0),
     "0.2216979 0.2069411 0.3289700 0.2665732 1.325854"),
    ("4.5", "block, shape", "Building blocks: Shapes",
     shapes("The chapter's two sentences", "gpt2-124M", "x = x + feed-forward"), "2 4 768"),
    ("4.6", "token ids of the batch", "Building blocks: Printed figures", model_part, BATCH_IDS),
    ("4.6", "shape of the logits", "Building blocks: Printed figures", model_part, "2 4 50257"),
    ("4.6", "logits", "Building blocks: Printed figures", model_part, SECTION_4_6),
    ("4.6", "parameters, and with a tied head", "Calculator", calculator, "163009536 124412160"),
    ("4.6", "size at float32 in MB", "Calculator", calculator, "621.83"),
    ("4.7", "ids in and out, number of tokens", "Building blocks: Printed figures", text_part,
     "15496 11 314 716 27018 24086 47843 30961 42348 7267 10"),
]  # fmt: skip


@pytest.fixture(scope="module")
def reader(uneven_library: Library) -> Visitor:
    """Somebody with the book open and a short run on the page."""
    visitor = Visitor(uneven_library)
    visitor.put(prompt="Every effort moves you", length=2)
    visitor.fire("generate")
    return visitor


def numbers(text: str) -> list[str]:
    plain = html.unescape(re.sub(r"<[^>]*>", " ", re.sub(r"(style|title|class)=\"[^\"]*\"", "", text)))
    return re.findall(r"-?\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3})", "", plain).replace("−", "-"))


def is_printed(found: str, printed: str) -> bool:
    decimals = len(printed.partition(".")[2])
    return abs(float(found) - float(printed)) < (1.5 * 10**-decimals if decimals else 0.5)


@pytest.mark.parametrize(("section", "what", "place", "shown", "printed"), FIGURES)
def test_the_page_shows_what_the_chapter_prints(reader, section, what, place, shown, printed):
    found = iter(numbers(shown(reader)))
    for figure in printed.split():
        assert any(is_printed(each, figure) for each in found), f"{section}, {what}: {place} lacks {figure}"

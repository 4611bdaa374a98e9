"""The map itself: a model from prompt to next token as one SVG, drawn from plain data.

Every colour and font is written into it, so that it can be saved as it is; the page only adds its text colour.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from ..common.colours import ACCENT, COLOURS
from . import words
from .words import BOXES, Box

WIDTH = 420
# The index that a click on a box carries is its place in BOXES; that of head n is FIRST_HEAD + n.
FIRST_HEAD = 100
MOST_HEADS = 40  # that still are squares one can hit

_LEFT, _RIGHT, _MIDDLE = 48, 388, 200  # of frame, prompt and fold; the line of the stream
_INNER_LEFT, _INNER_RIGHT, _SHORTCUT = 82, 318, 352
_HIGH, _GAP = 26, 16
_FAINT = 0.62


@dataclass(frozen=True)
class Drawn:
    """What is drawn: the values on boxes and lines by their keys, and where in the model the visitor is."""

    title: str  # whose figures these are
    prompt: str  # the last tokens up to there
    next_token: str
    next_said: str  # its probability and rank
    n_layers: int
    n_heads: int
    block: int
    head: int
    selected: str  # key of a box
    values: Mapping[str, str]  # by the key of a box, or the name of a line: embedded, entering, between, ...


def map_svg(drawn: Drawn) -> str:
    """The map as SVG: boxes are buttons with a data-index."""
    sketch = _Sketch(drawn)
    body = "".join(sketch.draw())
    return (
        f'<svg class="map-svg" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {sketch.y}" width="{WIDTH}" '
        f'height="{sketch.y}" color="#1f2937" font-family="\'Source Sans Pro\', sans-serif" font-size="13" '
        f'role="group" aria-label="{escape(drawn.title)}">'
        f"<title>{escape(drawn.title)}</title>{body}</svg>"
    )


class _Sketch:
    """Draws from the top to the bottom; y is how far it has come."""

    def __init__(self, drawn: Drawn) -> None:
        self.drawn = drawn
        self.y = 1.0

    def draw(self) -> Iterator[str]:
        """Everything, in the order of the data."""
        drawn = self.drawn
        top = self.y + 20
        yield self._box(words.PROMPT, _LEFT, _RIGHT, 40, below=drawn.prompt)
        yield self._embeddings()
        yield self._line("embedded", _GAP)
        if drawn.block > 0:
            yield self._fold(words.EARLIER, 0, drawn.block - 1)
            yield self._line("entering", _GAP)
        yield from self._block()
        if drawn.block < drawn.n_layers - 1:
            yield self._line("leaving", _GAP)
            yield self._fold(words.LATER, drawn.block + 1, drawn.n_layers - 1)
        yield self._line("stacked", _GAP)
        yield self._box(words.FINAL_NORM, _INNER_LEFT, _INNER_RIGHT)
        yield self._line("", 10)
        yield self._box(words.OUTPUT_HEAD, _INNER_LEFT, _INNER_RIGHT)
        yield self._line("", 10)
        yield self._box(words.SOFTMAX, _INNER_LEFT, _INNER_RIGHT)
        yield self._line("", 10)
        bottom = self.y + 20
        yield self._box(words.TOKEN, _LEFT, _RIGHT, 40, below=drawn.next_token)
        yield _path((_LEFT, bottom), (20, bottom), (20, top), (_LEFT - 3, top), arrow=True)
        yield (
            f'<text transform="translate(14 {(top + bottom) / 2}) rotate(-90)" text-anchor="middle" font-size="11" '
            f'fill="currentColor" fill-opacity="{_FAINT}">the new token is read with the rest</text>'
        )
        self.y += 3

    def _embeddings(self) -> str:
        start = self.y
        self.y += 11
        width = (_RIGHT - _LEFT - 10) / 2
        first = self._box(words.TOKEN_EMBEDDING, _LEFT, _LEFT + width, 40, stacked=True, advance=False)
        second = self._box(words.POSITION_EMBEDDING, _RIGHT - width, _RIGHT, 40, stacked=True)
        centres = (_LEFT + width / 2, _RIGHT - width / 2)
        down = "".join(_path((x, start), (x, start + 9), arrow=True) for x in centres)
        plus = self.y + 15
        joined = "".join(
            _path((x, self.y), (x, plus), (_MIDDLE + side * 9, plus)) for x, side in zip(centres, (-1, 1), strict=True)
        )
        self.y = plus + 9
        return down + first + second + joined + _plus(plus)

    def _block(self) -> Iterator[str]:
        drawn = self.drawn
        start = self.y
        self.y += 26
        inner = [
            self._line("", 4, arrow=False),
            self._half(words.NORM1, words.ATTENTION, "between"),
            self._half(words.NORM2, words.FEED_FORWARD, ""),
            self._line("", 8, arrow=False),
        ]
        height = self.y - start
        name = f"{words.BLOCK.title} {drawn.block}"
        value = drawn.values.get(words.BLOCK.key, "")
        chosen = drawn.selected == words.BLOCK.key
        yield self._button(
            words.BLOCK,
            f"{name} of {drawn.n_layers}, {value}",
            _rect(_LEFT, start, _RIGHT - _LEFT, height, words.BLOCK.idea, chosen, 0.07)
            + _text(_LEFT + 10, start + 17, name, weight=700)
            + _text(_RIGHT - 10, start + 17, value, anchor="end", faint=True),
        )
        yield _path((_MIDDLE, start), (_MIDDLE, start + 26))
        yield from inner

    def _half(self, norm: Box, work: Box, value: str) -> str:
        """A norm, what follows it, and the shortcut around both."""
        start = self.y
        drawn = [self._line("", 12), self._box(norm, _INNER_LEFT, _INNER_RIGHT), self._line("", 12)]
        heads = self.drawn.n_heads if work is words.ATTENTION and self.drawn.n_heads <= MOST_HEADS else 0
        top = self.y
        drawn.append(self._box(work, _INNER_LEFT, _INNER_RIGHT, 46 if heads else _HIGH))
        drawn.append(self._heads(top + 29, heads))
        drawn.append(self._line("", 10))
        plus = self.y + 9
        shortcut = _path(
            (_MIDDLE, start + 3), (_SHORTCUT, start + 3), (_SHORTCUT, plus), (_MIDDLE + 12, plus), arrow=True
        )
        self.y = plus + 9
        if value:
            drawn.append(self._line(value, _GAP, arrow=False))
        return shortcut + "".join(drawn) + _plus(plus)

    def _heads(self, y: float, count: int) -> str:
        if not count:
            return ""
        room = _INNER_RIGHT - _INNER_LEFT - 20
        side = min(11.0, room / count - 2)
        squares = []
        for head in range(count):
            chosen = head == self.drawn.head
            x = _INNER_LEFT + 10 + head * (side + 2)
            said = f"head {head}"
            squares.append(
                f'<g class="box" role="button" tabindex="-1" data-index="{FIRST_HEAD + head}" aria-label="{said}" '
                f'aria-pressed="{str(chosen).lower()}"><title>{said}</title><rect x="{x:.1f}" y="{y}" '
                f'width="{side:.1f}" height="{side:.1f}" rx="1.5" fill="{COLOURS["attention"]}" '
                f'fill-opacity="{1 if chosen else 0.3}" stroke="{COLOURS["attention"]}"/></g>'
            )
        return "".join(squares)

    def _fold(self, box: Box, first: int, last: int) -> str:
        """Blocks that are not opened, as sheets one behind the other."""
        start, count = self.y, last - first + 1
        behind = min(count, 4) - 1
        name = f"Block {first}" if count == 1 else f"Blocks {first} – {last}"
        value = self.drawn.values.get(box.key, "")
        y = start + 3 * behind
        sheets = _rect(_LEFT, y, _RIGHT - _LEFT, 22, words.BLOCK.idea, False, 0.07)
        for i in range(1, behind + 1):
            left, right, edge = _LEFT + 4 * i, _RIGHT - 4 * i, y - 3 * i
            sheets += _path((left, edge + 3), (left, edge), (right, edge), (right, edge + 3))
        opens = last if box is words.EARLIER else first
        self.y = y + 22
        return self._button(
            box,
            f"{name}: open block {opens}, {value}",
            sheets + _text(_LEFT + 10, y + 15, name) + _text(_RIGHT - 10, y + 15, value, anchor="end", faint=True),
        )

    def _box(
        self,
        box: Box,
        left: float,
        right: float,
        height: float = _HIGH,
        below: str = "",
        stacked: bool = False,
        advance: bool = True,
    ) -> str:
        y, value = self.y, self.drawn.values.get(box.key, "")
        if advance:
            self.y += height
        chosen = self.drawn.selected == box.key
        shape = _rect(left, y, right - left, height, box.idea, chosen, 0.16)
        shape += _text(left + 10, y + 18, box.title, weight=700 if chosen else 400)
        where = (left + 10, y + 33, "start") if stacked else (right - 10, y + 18, "end")
        shape += _text(where[0], where[1], value, anchor=where[2], faint=True)
        if below:
            shape += _text(left + 10, y + 33, below, family="'IBM Plex Mono', monospace", size=12)
        said = self.drawn.next_said if box is words.TOKEN else ""
        return self._button(box, ", ".join(each for each in (box.title, below, said, value) if each), shape)

    def _button(self, box: Box, label: str, shape: str) -> str:
        chosen = self.drawn.selected == box.key
        return (
            f'<g class="box" role="button" tabindex="{0 if chosen else -1}" data-index="{list(BOXES).index(box.key)}" '
            f'aria-pressed="{str(chosen).lower()}" aria-label="{escape(label.strip(", "))}">{shape}</g>'
        )

    def _line(self, value: str, length: float, arrow: bool = True) -> str:
        """The stream, downwards, with what is true of it there."""
        start = self.y
        self.y += length
        said = self.drawn.values.get(value, "")
        end = self.y - 2 if arrow else self.y
        text = _text(_MIDDLE + 8, start + length / 2 + 4, said, faint=True, size=11) if said else ""
        return _path((_MIDDLE, start), (_MIDDLE, end), arrow=arrow) + text


def _rect(x: float, y: float, width: float, height: float, idea: str, chosen: bool, depth: float) -> str:
    stroke = ACCENT if chosen else COLOURS[idea]
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="4" fill="{COLOURS[idea]}" '
        f'fill-opacity="{2 * depth if chosen else depth}" stroke="{stroke}" stroke-width="{2.5 if chosen else 1}"/>'
    )


def _text(
    x: float,
    y: float,
    said: str,
    anchor: str = "start",
    weight: int = 400,
    faint: bool = False,
    size: int = 13,
    family: str = "",
) -> str:
    if not said:
        return ""
    kind = f' font-family="{family}"' if family else ""
    opacity = _FAINT if faint else 1
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" '
        f'fill="currentColor" fill-opacity="{opacity}" xml:space="preserve"{kind}>{escape(said)}</text>'
    )


def _path(*points: tuple[float, float], arrow: bool = False) -> str:
    """A line through points (x, y); with an arrow's head at the last, which looks where the last step goes."""
    through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    line = f'<polyline points="{through}" fill="none" stroke="currentColor" stroke-opacity="0.55" stroke-width="1.2"/>'
    return line + _arrow_head(points[-2], points[-1]) if arrow else line


def _arrow_head(before: tuple[float, float], end: tuple[float, float]) -> str:
    x, y = end
    along = (x > before[0]) - (x < before[0]), (y > before[1]) - (y < before[1])
    across = along[1], along[0]
    corners = [(x + 2 * along[0], y + 2 * along[1])] + [
        (x - 4 * along[0] + 3.5 * side * across[0], y - 4 * along[1] + 3.5 * side * across[1]) for side in (-1, 1)
    ]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
    return f'<polygon points="{points}" fill="currentColor" fill-opacity="0.7"/>'


def _plus(y: float) -> str:
    circle = f'<circle cx="{_MIDDLE}" cy="{y}" r="9" fill="none" stroke="currentColor" stroke-opacity="0.55"/>'
    return circle + _path((_MIDDLE - 4, y), (_MIDDLE + 4, y)) + _path((_MIDDLE, y - 4), (_MIDDLE, y + 4))

"""What the page says of parts that are switched off: their names, the field they are chosen in, the candidates."""

from collections.abc import Sequence
from html import escape
from math import inf, log
from typing import Any

from ...attribution.head_effects import BlockEffects, Change
from ...config import GPTConfig
from ...sampling import likeliest
from ..common.address_values import SEPARATOR, place_in
from ..common.head_field import Cell, field_html, signed_legend, signed_style, signed_words
from ..common.number_format import fine_percent
from ..common.page_html import table
from .prediction import Prediction
from .view_panel import said_html

# Chosen parts as a block and a head of it, or one of the other two: whatever number of heads another model has.
Off = frozenset[tuple[int, int]]
FEED_FORWARD, BLOCK = -2, -1
_IN_ADDRESS = {FEED_FORWARD: "ff", BLOCK: "all"}

CANDIDATE_COLUMNS = (
    "token id",
    "token",
    "probability before",
    "probability after",
    "change of log p, nats",
)

_COLOURED_BY = "change of log p, nats"
_N_CANDIDATES = 8
_LONGEST_OFF = 10_000  # characters in an address


def off_text(off: Off) -> str:
    """The chosen parts as they stand in the address: 0.1,3.ff,4.all are a head, a feed-forward and a block."""
    return SEPARATOR.join(f"{block}.{_IN_ADDRESS.get(part, part)}" for block, part in sorted(off))


def off_from(text: str) -> Off:
    """The chosen parts of an address. Raises ValueError for another text."""
    pairs = [part.split(".") for part in text[:_LONGEST_OFF].split(SEPARATOR)]
    named = {name: part for part, name in _IN_ADDRESS.items()}
    return frozenset((place_in(block), named[part] if part in named else place_in(part)) for block, part in pairs)


def part_at(config: GPTConfig, place: int) -> tuple[int, int]:
    """The part in a cell of the field, counted row by row."""
    block, column = divmod(place, config.n_heads + 2)
    return block, column if column < config.n_heads else (FEED_FORWARD, BLOCK)[column - config.n_heads]


def parts_off(config: GPTConfig, off: Off) -> dict[str, Any]:
    """The arguments of `ablate` for the chosen parts that the model has."""
    inside = sorted((block, part) for block, part in off if block < config.n_layers)
    return {
        "heads": [(block, part) for block, part in inside if 0 <= part < config.n_heads],
        "feed_forwards": [block for block, part in inside if part == FEED_FORWARD],
        "blocks": [block for block, part in inside if part == BLOCK],
    }


def named(config: GPTConfig, off: Off) -> str:
    """The chosen parts in words, "" for none."""
    parts = parts_off(config, off)
    names = [f"head {row}.{column}" for row, column in parts["heads"]]
    names += [f"feed-forward {row}" for row in parts["feed_forwards"]]
    names += [f"block {row}" for row in parts["blocks"]]
    return ", ".join(names)


def field(config: GPTConfig, off: Off, effects: Sequence[BlockEffects]) -> str:
    """HTML of the field: heads coloured by what log p loses without them, as far as that was measured."""
    largest = _largest(effects)
    rows = [
        [
            *(_head(row, head, off, effects, largest) for head in range(config.n_heads)),
            Cell(f"feed-forward of block {row}", "", (row, FEED_FORWARD) in off, "ff"),
            Cell(f"all of block {row}", "", (row, BLOCK) in off, "all"),
        ]
        for row in range(config.n_layers)
    ]
    columns = [*map(str, range(config.n_heads)), "", ""]
    return field_html(rows, columns, "parts to switch off: a row per block, a column per head")


def legend(effects: Sequence[BlockEffects]) -> str:
    """HTML that explains the field's colours, "" before anything was measured."""
    return signed_legend(_COLOURED_BY, f"{_largest(effects):.2f}") if effects else ""


def colours(effects: Sequence[BlockEffects]) -> str:
    """The same for the caption of the field's picture."""
    measured = f"{signed_words(_COLOURED_BY, f'{_largest(effects):.2f}')} " if effects else ""
    return f"{measured}Framed: switched off."


def change_text(prediction: Prediction, found: Change | None, names: str, by: str) -> str:
    """HTML of the sentence about one prediction with and without the parts."""
    if found is None:
        return said_html(
            f"{prediction.said} Choose heads, feed-forwards (ff) or whole blocks (all) in the field to switch them off."
        )
    they_add = "they add" if ", " in names else "it adds"
    return said_html(
        f"Without {names} ({by} in place of what {they_add}), log p of “{prediction.token}” changes by "
        f"{found.logprob:+.3f} nats, and the whole distribution moves by {found.kl:.3f} nats (KL). {prediction.said}"
    )


def candidate_rows(prediction: Prediction, found: Change) -> list[tuple[int, str, float, float, float]]:
    """The CANDIDATE_COLUMNS of the likeliest of both, and of the token that came."""
    before, after = found.before.double().softmax(0), found.after.double().softmax(0)
    ids = [*likeliest(found.before, _N_CANDIDATES), *likeliest(found.after, _N_CANDIDATES), prediction.token_id]
    rows = []
    for token_id in sorted(set(ids), key=lambda token_id: -float(before[token_id])):
        old, new = float(before[token_id]), float(after[token_id])
        rows.append((token_id, prediction.visible(token_id), old, new, _log(new) - _log(old)))
    return rows


def candidates_table(prediction: Prediction, found: Change) -> str:
    """HTML of the candidates before and after, the token that came in bold."""
    rows = [
        [
            _token(text, token_id == prediction.token_id),
            fine_percent(before),
            fine_percent(after),
            f"{rise:+.2f}",
        ]
        for token_id, text, before, after, rise in candidate_rows(prediction, found)
    ]
    return table(["candidate", "before", "after", "change of log p, nats"], rows)


def _token(text: str, came: bool) -> str:
    piece = f'<span class="piece">{escape(text)}</span>'
    return f"<b>{piece} came</b>" if came else piece


def _log(probability: float) -> float:
    return log(probability) if probability else -inf


def _head(row: int, head: int, off: Off, effects: Sequence[BlockEffects], largest: float) -> Cell:
    name = f"block {row}, head {head}"
    if row >= len(effects):
        return Cell(name, "", (row, head) in off)
    value = float(effects[row].logprob[head])
    said = f"{name}: without it log p {value:+.3f} nats, KL {float(effects[row].kl[head]):.3f}"
    return Cell(said, signed_style(value, largest), (row, head) in off)


def _largest(effects: Sequence[BlockEffects]) -> float:
    return max((float(each.logprob.abs().max()) for each in effects), default=0.0)

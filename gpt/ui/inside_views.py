"""What each view of the Inside tab shows of a traced run: figures, a sentence with their numbers, tables.

A view takes a Look and gives a View; the same numbers leave the page as CSV.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import plotly.graph_objects as go
import torch
from torch import Tensor

from ..generation import Run
from ..tokenizer import Tokenizer
from ..tracing import Lens, logit_lens, stream_norms
from . import inside_figures as figures
from .numbers import percent, real
from .strip import scaled_style
from .traces import Traced

# Tokens beside each other in the lens table: what fits, and what the head reads in well under a second.
LENS_TOKENS = 8
_TOP = 5

_TOKENIZER = Tokenizer()

Numbers = tuple[Sequence[str], Iterable[Sequence[Any]]]


@dataclass(frozen=True, eq=False)
class Look:
    """A traced stretch of a run with one head of one block chosen; halves also opens the lens inside blocks."""

    run: Run
    traced: Traced
    block: int
    head: int
    halves: bool

    @property
    def weights(self) -> Tensor:
        """What the chosen head looks at: (t, s)."""
        return self.traced.trace.blocks[self.block].attention[self.head]

    @property
    def opened_row(self) -> Tensor:
        """What the opened token looks at, itself the last: the weights of all tokens up to it."""
        future = len(self.traced.trace.ids) - 1 - self.traced.token
        row = self.weights[self.traced.token]
        return row[: len(row) - future]

    @property
    def all_weights(self) -> Tensor:
        """What every head looks at: (L, h, t, s)."""
        return torch.stack([block.attention for block in self.traced.trace.blocks])

    @property
    def labels(self) -> list[str]:
        """The tokens of the window as they are on the strip."""
        return [_TOKENIZER.visible(token_id) for token_id in self.traced.trace.ids]

    @property
    def read_labels(self) -> list[str]:
        """All s tokens that were read, the window's last."""
        window = self.traced.window
        return [_TOKENIZER.visible(token_id) for token_id in self.run.ids[window.first_read : window.stop]]

    @property
    def places(self) -> list[str]:
        """The 2L + 1 depths of the residual stream in words."""
        n_layers = self.traced.model.config.n_layers
        return ["embeddings"] + [f"block {i} {part}" for i in range(n_layers) for part in ("attention", "feed-forward")]


@dataclass(frozen=True)
class View:
    """What is put on the page: what the figures show in words, then a figure and a second one or HTML."""

    said: str
    figure: go.Figure
    second: go.Figure | None = None
    table: str = ""


def attention(look: Look) -> View:
    """The chosen head's weights, and where the opened token looks."""
    token, numbers = look.traced.token, look.traced.numbers_read
    looks = look.opened_row.topk(min(3, len(look.opened_row)))
    named = ", ".join(
        f"“{look.read_labels[index]}” ({numbers[index]}) {percent(weight)}"
        for weight, index in zip(looks.values.tolist(), looks.indices.tolist(), strict=True)
    )
    said = (
        f"Block {look.block}, head {look.head}: “{look.labels[token]}” looks at {named}. Every row sums to 1 and stops "
        "at its own token; the strip shows the opened one. Blue deepens with the square root of a weight, so that "
        "small ones are seen."
    )
    return View(said, figures.attention_map(look.read_labels, numbers[0], look.weights.numpy(), token))


def attention_numbers(look: Look) -> Numbers:
    """The chosen head's weights, a row per looking token."""
    columns = _columns(look.traced.numbers_read, look.read_labels)
    rows = (
        [number, label, *row.tolist()]
        for number, label, row in zip(look.traced.numbers, look.labels, look.weights, strict=True)
    )
    return ["token number", "looking token", *columns], rows


def residual(look: Look) -> View:
    """How long the residual stream is, and how much every step changes it."""
    lengths, changes = stream_norms(look.traced.trace.stream)
    token = look.traced.token
    largest = int(changes[:, token].argmax())
    said = (
        "Attention and feed-forward never replace the residual stream, they add to it. For the opened token its "
        f"length goes from {real(float(lengths[0, token]))} to {real(float(lengths[-1, token]))}; the largest step, "
        f"{real(float(changes[largest, token]))}, is that of {look.places[largest + 1]}."
    )
    maps = figures.stream_map(look.places, look.labels, look.traced.numbers[0], lengths.numpy(), changes.numpy(), token)
    return View(said, figures.stream_lengths(look.places, lengths[:, token].numpy(), changes[:, token].numpy()), maps)


def residual_numbers(look: Look) -> Numbers:
    """A row per token and depth."""
    lengths, changes = stream_norms(look.traced.trace.stream)
    rows = (
        [
            look.traced.numbers[i],
            label,
            place,
            float(lengths[depth, i]),
            float(changes[depth - 1, i]) if depth else "",
        ]
        for i, label in enumerate(look.labels)
        for depth, place in enumerate(look.places)
    )
    return ["token number", "token", "after", "length", "length of the last step"], rows


def lens(look: Look) -> View:
    """What the model would answer if it ended at each depth, for the tokens around the opened one."""
    shown, places, read = _read(look)
    token = look.traced.token - shown.start
    labels = look.labels[shown]
    answer = _TOKENIZER.visible(int(read.answers[token]))
    ranks = read.answer_rank[:, token]
    settled = len(ranks) - int((ranks.flip(0) != 1).int().argmax()) if (ranks != 1).any() else 0
    where = " and between attention and feed-forward" if look.halves else ""
    said = (
        f"Final norm and output head applied after every block{where}: each cell is the token the model would answer "
        f"there. After “{look.labels[look.traced.token]}” it answers “{answer}” with "
        f"{percent(float(read.answer_probability[-1, token]))}; that token has rank {int(ranks[0]):,} of "
        f"{look.traced.model.config.vocab_size:,} in the embeddings and leads from “{places[settled]}” on. Bold: the "
        "final answer. The table opens the tokens around the chosen one."
    )
    figure = figures.ranks(places, labels, read.answer_rank.numpy(), token, 2 if look.halves else 1)
    return View(said, figure, table=_lens_table(look, shown, places, read))


def lens_numbers(look: Look) -> Numbers:
    """A row per token, depth and candidate."""
    shown, places, read = _read(look)
    rows = (
        [
            look.traced.numbers[shown][i],
            label,
            place,
            candidate + 1,
            token_id,
            _TOKENIZER.visible(token_id),
            float(read.top_probabilities[depth, i, candidate]),
            int(read.answer_rank[depth, i]),
        ]
        for i, label in enumerate(look.labels[shown])
        for depth, place in enumerate(places)
        for candidate, token_id in enumerate(read.top_ids[depth, i].tolist())
    )
    head = [
        "token number",
        "token",
        "after",
        "rank",
        "candidate id",
        "candidate",
        "probability",
        "rank of the final answer",
    ]
    return head, rows


VIEWS: dict[str, tuple[Callable[[Look], View], Callable[[Look], Numbers]]] = {
    "Attention": (attention, attention_numbers),
    "Residual stream": (residual, residual_numbers),
    "Logit lens": (lens, lens_numbers),
}


def _columns(numbers: range, labels: Sequence[str]) -> list[str]:
    return [f"{number} {label}" for number, label in zip(numbers, labels, strict=True)]


def _read(look: Look) -> tuple[slice, list[str], Lens]:
    """The window's tokens that the lens shows, the names of its depths, and what it reads there."""
    t = len(look.traced.trace.ids)
    start = max(0, min(look.traced.token - LENS_TOKENS // 2, t - LENS_TOKENS))
    shown = slice(start, min(start + LENS_TOKENS, t))
    step = 1 if look.halves else 2
    places = look.places[::step]
    if not look.halves:
        places = [place.removesuffix(" feed-forward") for place in places]
    return shown, places, logit_lens(look.traced.model, look.traced.trace.stream[::step, shown], _TOP)


def _lens_table(look: Look, shown: slice, places: Sequence[str], read: Lens) -> str:
    """HTML: a row per depth, a column per token, the candidate coloured by its probability."""
    opened = look.traced.token - shown.start
    numbers = look.traced.numbers[shown]
    head = "".join(
        f'<th scope="col" class="{"opened" if i == opened else ""}" title="token {numbers[i]}">{escape(label)}</th>'
        for i, label in enumerate(look.labels[shown])
    )
    names = [place.replace("attention", "att").replace("feed-forward", "ff") for place in places]
    rows = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(_cell(read, depth, i) for i in range(len(look.labels[shown])))}</tr>'
        for depth, name in enumerate(names)
    )
    return (
        '<div class="scroll"><table class="lens"><thead><tr><th scope="col">after</th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(read: Lens, depth: int, i: int) -> str:
    ids, probabilities = read.top_ids[depth, i].tolist(), read.top_probabilities[depth, i].tolist()
    names = [_TOKENIZER.visible(token_id) for token_id in ids]
    listed = ", ".join(f"{name} {percent(p)}" for name, p in zip(names, probabilities, strict=True))
    told = escape(f"{listed}; final answer: rank {int(read.answer_rank[depth, i]):,}")
    settled = " settled" if ids[0] == int(read.answers[i]) else ""
    return (
        f'<td class="scaled{settled}" style="{scaled_style(probabilities[0])}" title="{told}">{escape(names[0])}</td>'
    )

"""What each view of the Inside tab shows of a traced run: figures, a sentence with their numbers, tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import torch
from torch import Tensor

from ...tracing import Lens, logit_lens, stream_norms
from ..common.attention_figure import attention_map
from ..common.captions import About, about_traced
from ..common.number_format import chance, real
from ..common.tab_views import Numbers, Shown, View
from ..common.token_strip import probability_legend, scaled_style
from ..common.traced_run import Traced
from . import figures

# Tokens beside each other in the lens table: as many as fit, and as the output head reads in well under a second.
LENS_TOKENS = 8
LENS_CANDIDATES = 5


@dataclass(frozen=True, eq=False)
class Look:
    """A traced stretch of a run with one head of one block chosen; halves shows the lens inside blocks too."""

    traced: Traced
    block: int
    head: int
    halves: bool

    @property
    def weights(self) -> Tensor:
        """What the chosen head looks at: (t, s)."""
        return self.traced.trace.blocks[self.block].attention[self.head]

    @property
    def selected_row(self) -> Tensor:
        """What the selected token looks at, itself the last: the weights of all tokens up to it."""
        future = len(self.traced.trace.ids) - 1 - self.traced.token
        row = self.weights[self.traced.token]
        return row[: len(row) - future]

    @property
    def all_weights(self) -> Tensor:
        """What every head looks at: (L, h, t, s)."""
        return torch.stack([block.attention for block in self.traced.trace.blocks])

    @property
    def places(self) -> list[str]:
        """The 2L + 1 depths of the residual stream in words."""
        n_layers = self.traced.model.config.n_layers
        return ["embeddings"] + [f"block {i} {part}" for i in range(n_layers) for part in ("attention", "feed-forward")]


def attention(look: Look) -> Shown:
    """The chosen head's weights, and where the selected token looks."""
    token, numbers = look.traced.token, look.traced.numbers_read
    looks = look.selected_row.topk(min(3, len(look.selected_row)))
    named = ", ".join(
        f"“{look.traced.labels_read[index]}” ({numbers[index]}) {chance(weight, len(look.selected_row))}"
        for weight, index in zip(looks.values.tolist(), looks.indices.tolist(), strict=True)
    )
    said = (
        f"Block {look.block}, head {look.head}: “{look.traced.labels[token]}” looks at {named}. Every row sums to 1 "
        "and stops at its own token; the strip shows the selected one. In the maps, blue grows with the square root "
        "of a weight, so that small ones are seen."
    )
    return Shown(said, attention_map(look.traced.labels_read, numbers[0], look.weights.numpy(), token))


def attention_numbers(look: Look) -> Numbers:
    """The chosen head's weights, a row per looking token."""
    traced = look.traced
    rows = (
        [number, token_id, label, *row.tolist()]
        for number, token_id, label, row in zip(
            traced.numbers, traced.trace.ids, traced.labels, look.weights, strict=True
        )
    )
    return ["token number", "token id", "looking token", *traced.columns_read], rows


def all_heads_numbers(look: Look) -> Numbers:
    """What the selected token looks at in every head, a row per head."""
    row = look.all_weights[:, :, look.traced.token].tolist()
    rows = ([block, head, *weights] for block, heads in enumerate(row) for head, weights in enumerate(heads))
    return ["block", "head", *look.traced.columns_read], rows


def residual(look: Look) -> Shown:
    """How long the residual stream is, and how much every step changes it."""
    lengths, changes = stream_norms(look.traced.trace.stream)
    token = look.traced.token
    largest = int(changes[:, token].argmax())
    said = (
        "Attention and feed-forward never replace the residual stream, they add to it. For the selected token its "
        f"length goes from {real(float(lengths[0, token]))} to {real(float(lengths[-1, token]))}; the largest step, "
        f"{real(float(changes[largest, token]))}, is that of {look.places[largest + 1]}."
    )
    maps = figures.stream_map(
        look.places, look.traced.labels, look.traced.numbers[0], lengths.numpy(), changes.numpy(), token
    )
    lines = figures.stream_lengths(look.places, lengths[:, token].numpy(), changes[:, token].numpy())
    return Shown(said, lines, maps, "all tokens")


def residual_numbers(look: Look) -> Numbers:
    """A row per token and depth."""
    lengths, changes = stream_norms(look.traced.trace.stream)
    rows = (
        [
            look.traced.numbers[i],
            look.traced.trace.ids[i],
            label,
            place,
            float(lengths[depth, i]),
            float(changes[depth - 1, i]) if depth else "",
        ]
        for i, label in enumerate(look.traced.labels)
        for depth, place in enumerate(look.places)
    )
    return ["token number", "token id", "token", "after", "length", "length of the last step"], rows


def lens(look: Look) -> Shown:
    """What the model would answer if it ended at each depth, for the tokens around the selected one."""
    shown, places, read = _read(look)
    token = look.traced.token - shown.start
    labels = look.traced.labels[shown]
    answer = look.traced.run.reader.visible(int(read.answers[token]))
    ranks = read.answer_rank[:, token]
    settled = len(ranks) - int((ranks.flip(0) != 1).int().argmax()) if (ranks != 1).any() else 0
    where = " and between attention and feed-forward" if look.halves else ""
    said = (
        f"Final norm and output head applied after every block{where}: each cell is the token the model would answer "
        f"there. After “{look.traced.labels[look.traced.token]}” it answers “{answer}” with "
        f"{chance(float(read.answer_probability[-1, token]))}; that token has rank {int(ranks[0]):,} of "
        f"{look.traced.model.config.vocab_size:,} in the embeddings and leads from “{places[settled]}” on. Bold: the "
        "final answer. The table shows the tokens around the selected one."
    )
    figure = figures.ranks(places, labels, read.answer_rank.numpy(), token, 2 if look.halves else 1)
    return Shown(said, figure, table=_lens_table(look, shown, places, read))


def lens_numbers(look: Look) -> Numbers:
    """A row per token, depth and candidate."""
    shown, places, read = _read(look)
    rows = (
        [
            look.traced.numbers[shown][i],
            look.traced.trace.ids[shown][i],
            label,
            place,
            candidate + 1,
            token_id,
            look.traced.run.reader.visible(token_id),
            float(read.top_probabilities[depth, i, candidate]),
            int(read.answer_rank[depth, i]),
        ]
        for i, label in enumerate(look.traced.labels[shown])
        for depth, place in enumerate(places)
        for candidate, token_id in enumerate(read.top_ids[depth, i].tolist())
    )
    head = [
        "token number",
        "token id",
        "token",
        "after",
        "rank",
        "candidate id",
        "candidate",
        "probability",
        "rank of the final answer",
    ]
    return head, rows


VIEWS: dict[str, View[Look]] = {
    "Attention": View(
        attention,
        attention_numbers,
        "A row is a token that looks, a column one that is looked at; blue deepens with the square root of the weight. "
        "Framed: the selected token.",
    ),
    "Residual stream": View(residual, residual_numbers),
    "Logit lens": View(lens, lens_numbers),
}


def about(view: str, look: Look) -> About:
    """What a view is of."""
    found = about_traced(f"Inside: {view.lower()}", look.traced, VIEWS[view].colours)
    return found.at(block=look.block, head=look.head) if view == "Attention" else found


def lens_tokens(look: Look) -> slice:
    """The window's tokens that the lens shows: those around the selected one."""
    t = len(look.traced.trace.ids)
    start = max(0, min(look.traced.token - LENS_TOKENS // 2, t - LENS_TOKENS))
    return slice(start, min(start + LENS_TOKENS, t))


def _read(look: Look) -> tuple[slice, list[str], Lens]:
    """The window's tokens that the lens shows, the names of its depths, and what it reads there."""
    shown = lens_tokens(look)
    step = 1 if look.halves else 2
    places = look.places[::step]
    if not look.halves:
        places = [place.removesuffix(" feed-forward") for place in places]
    return shown, places, logit_lens(look.traced.model, look.traced.trace.stream[::step, shown], LENS_CANDIDATES)


def _lens_table(look: Look, shown: slice, places: Sequence[str], read: Lens) -> str:
    """HTML: a row per depth, a column per token, the candidate coloured by its probability."""
    selected = look.traced.token - shown.start
    numbers, labels = look.traced.numbers[shown], look.traced.labels[shown]
    head = "".join(
        f'<th scope="col" class="{"selected" if i == selected else ""}" title="token {numbers[i]}">{escape(label)}</th>'
        for i, label in enumerate(labels)
    )
    names = [place.replace("attention", "att").replace("feed-forward", "ff") for place in places]
    rows = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(_cell(look, read, depth, i) for i in range(len(labels)))}</tr>'
        for depth, name in enumerate(names)
    )
    return (
        probability_legend("probability of the cell's token at that depth")
        + '<div class="scroll"><table class="lens"><thead><tr><th scope="col">after</th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(look: Look, read: Lens, depth: int, i: int) -> str:
    ids, probabilities = read.top_ids[depth, i].tolist(), read.top_probabilities[depth, i].tolist()
    names = [look.traced.run.reader.visible(token_id) for token_id in ids]
    listed = ", ".join(f"{name} {chance(p)}" for name, p in zip(names, probabilities, strict=True))
    hint = escape(f"{listed}; final answer: rank {int(read.answer_rank[depth, i]):,}")
    settled = " settled" if ids[0] == int(read.answers[i]) else ""
    return (
        f'<td class="scaled{settled}" style="{scaled_style(probabilities[0])}" title="{hint}">{escape(names[0])}</td>'
    )

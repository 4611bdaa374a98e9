"""Lesson 4.5: a transformer block: attention, what a head looks at, shapes, the code."""

from ....tracing import stream_norms
from ...building_blocks.tensor_shapes import chapters_batch
from ...common.number_format import counted, percent, real
from ..tour_stop import CHAPTERS, Lesson, Stop, Told, guess, guess_number, panel
from ..tour_text import Reading


def _mask(r: Reading) -> Told:
    n = len(r.traced.trace.ids)
    later = n - 1 - r.traced.token
    weights = r.traced.trace.blocks[0].attention[:, r.traced.token, r.traced.token + 1 :]
    return Told(
        "A block lets tokens look at each other: this is attention. In the picture each row is a token that looks, "
        f"each column one that is looked at. {r.quoted(r.prompt[-1])} is token {r.traced.token + 1} of {n}.",
        guess_number(
            "At how many of the tokens after it does it look?",
            0,
            (1, later),
            "{:.0f}".format,
            f"0 of {later}: they are masked, so everything above the diagonal is empty. The model has to guess what "
            "comes next, and must not see it.",
        ),
        holds=bool((weights == 0).all()),
    )


def _head(r: Reading) -> Told:
    token = r.traced.token
    row = r.traced.trace.blocks[0].attention[0, token, : token + 1]
    most = int(row.argmax())
    ids = r.traced.trace.ids[: token + 1]
    config = r.config
    return Told(
        f"Each block has {counted(config.n_heads, 'head')}, and each head looks in a way of its own: "
        f"{config.n_layers} × {config.n_heads} = {counted(config.n_layers * config.n_heads, 'small picture')}. "
        "Take the first head of block 0.",
        guess(
            f"At which token does {r.quoted(ids[-1])} look most?",
            r.quoted(ids[most]),
            [r.quoted(each) for each in ids if each != ids[most]][-2:],
            f"{r.quoted(ids[most])}, with {percent(float(row[most]))}. A row always sums to 100 %. What the other "
            "tokens have to offer is mixed in these shares.",
        ),
    )


def _shapes(r: Reading) -> Told:
    batch = chapters_batch(r.loaded) or [r.prompt]
    b, t, d = len(batch), len(batch[0]), r.config.emb_dim
    return Told(
        f"The chapter reads {b} texts of {t} tokens at once, so {b} × {t} rows of {d:,} numbers go into block 0. "
        f"Inside, they are split into heads, expanded to {r.config.inner_width:,}, contracted again.",
        guess(
            "In which shape do they leave the block?",
            f"{b} × {t} × {d:,}",
            [f"{b} × 1 × {d:,}", f"{b} × {t} × {r.config.inner_width:,}"],
            f"{b} × {t} × {d:,}, as they came. That is why blocks can be stacked: what leaves one fits into the next, "
            f"{counted(r.config.n_layers, 'time')} here, {counted(CHAPTERS.n_layers, 'time')} in GPT-2 124M.",
        ),
    )


def _code(r: Reading) -> Told:
    _, changes = stream_norms(r.traced.trace.stream)
    attention, feed_forward = (real(float(changes[half, r.traced.token])) for half in (0, 1))
    return Told(
        "And this is all a block does, in the code that has just run: normalize, attend, add; normalize, feed "
        "forward, add. Under each line stands the tensor it made for your text. In block 0 attention adds a vector "
        f"of length {attention} to {r.quoted(r.prompt[-1])}, and feed-forward one of length {feed_forward}.",
    )


LESSON = Lesson(
    "4.5",
    "4.5 A block",
    (
        Stop("Only backwards", "inside", "#inside-map", _mask, {"view": "Attention"}, reads_prompt=True),
        Stop(
            "Heads",
            "inside",
            "#inside-maps",
            _head,
            {"view": "Attention"},
            hides="#inside-map, #inside-said, #inside-strip",
            reads_prompt=True,
        ),
        Stop("In and out", "building-blocks", "#shapes-list", _shapes, panel("shapes")),
        Stop("The code of a block", "map", "#map-code", _code, {"view": "block", "block": 0}, reads_prompt=True),
    ),
)

"""Lesson 4.1: the whole model from outside, the two tables it begins with, and the placeholder of the chapter."""

from ....chapter.placeholder import compare_parts
from ....estimates.budget import count_parameters
from ...common.number_format import counted, percent
from ..tour_stop import CHAPTERS, Lesson, Stop, Told, guess_number, panel
from ..tour_text import Reading


def _whole(r: Reading) -> Told:
    total, n_layers = count_parameters(r.config).total, r.config.n_layers
    stack = "stands 1 block" if n_layers == 1 else f"stand {n_layers} blocks, one after the other, all built alike"
    return Told(
        f"This is the whole model: a text goes in at the top, scores come out at the bottom. Between them {stack}. "
        f"Together it has {total:,} numbers that were learned; the chapter calls them parameters, and builds every "
        "part of it by hand.",
    )


def _token_embedding(r: Reading) -> Told:
    d, v = r.config.emb_dim, r.config.vocab_size
    return Told(
        f"The model computes with rows of numbers, called vectors. A table, the token embedding, has a row for each of "
        f"its {counted(v, 'token')}, and looks up those of your {len(r.prompt)}.",
        guess_number(
            "How many numbers stand for one token?",
            d,
            (1, v),
            "{:,.0f}".format,
            f"{d:,}. So the table holds {v:,} × {d:,} = {v * d:,} numbers. The chapter's GPT-2 124M has rows of "
            f"{CHAPTERS.emb_dim}.",
        ),
    )


def _position_embedding(r: Reading) -> Told:
    t = r.config.context_length
    return Told(
        "A row says which token it is, but not where it stands. So a second table has a row for every place, and that "
        "row is added.",
        guess_number(
            "How many places does this model know?",
            t,
            (len(r.prompt), r.config.vocab_size),
            "{:,.0f}".format,
            f"{t:,}: it can look at {counted(t, 'token')} at once and no more. The chapter calls this the "
            "context length.",
        ),
    )


def _placeholder(r: Reading) -> Told:
    empty, whole = compare_parts(r.model, r.prompt, [(), ("LayerNorm", "feed-forward", "shortcuts", "attention")], n=1)
    rather = r.quoted(empty.tokens[0].token_id) if empty.tokens else "nothing"
    return Told(
        "The chapter begins with a model whose blocks are empty: they hand on what they get. Its shapes are right "
        "already, and it runs.",
        guess_number(
            "How much of its probability lies where the whole model puts it?",
            empty.overlap,
            (0.5, 0.9),
            percent,
            f"{percent(empty.overlap)}. It would go on with {rather}; the whole model's first choice is "
            f"{r.quoted(whole.tokens[0].token_id)}. Read the table downwards: one part more with every section.",
        ),
        holds=empty.overlap < 0.45,
    )


LESSON = Lesson(
    "4.1",
    "4.1 The architecture",
    (
        Stop("The whole model", "map", "#map-picture", _whole, {"view": "block", "show": "Shape"}),
        Stop("A row for every token", "map", "#map-code", _token_embedding, {"view": "token-embedding"}),
        Stop("A row for every place", "map", "#map-code", _position_embedding, {"view": "position-embedding"}),
        Stop("Empty blocks", "building-blocks", "#ladder", _placeholder, panel("placeholder")),
    ),
)

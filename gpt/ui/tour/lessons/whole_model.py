"""Lesson 4.6: all blocks together: where the parameters are, when the answer appears, what the head shares."""

from ....estimates.budget import count_parameters
from ....tracing import logit_lens
from ...common.number_format import counted, percent, size
from ..tour_stop import CHAPTERS, Lesson, Stop, Told, guess, guess_number
from ..tour_text import Reading

_BYTES = 4  # of a float32 number


def _parameters(r: Reading) -> Told:
    parameters = count_parameters(r.config)
    names = {
        "token_embedding": "the token embedding",
        "attention": "attention, in all blocks",
        "feed_forward": "feed-forward, in all blocks",
    }
    most = max(names, key=parameters.by_component.__getitem__)
    chapters = count_parameters(CHAPTERS).by_component
    share = parameters.by_component[most] / parameters.total
    return Told(
        f"This model has {parameters.total:,} parameters, {size(parameters.total * _BYTES)} in float32. The boxes now "
        "carry how many each part has.",
        guess(
            "Which part has the most?",
            names[most],
            [name for key, name in names.items() if key != most],
            f"It is {names[most]}: {parameters.by_component[most]:,}, which is {percent(share)} of all. In GPT-2 124M "
            f"it is {names[max(names, key=chapters.__getitem__)]}; the smaller a model, the more of it is its list of "
            "tokens.",
        ),
    )


def _tied(r: Reading) -> Told:
    v, d = r.config.vocab_size, r.config.emb_dim
    if not r.config.tied_head:
        return Told(
            f"The output head turns the last vector into {v:,} logits: a table of {v:,} × {d:,} numbers, as large as "
            "the token embedding. This model keeps two such tables, as the chapter's does; OpenAI's GPT-2 uses one "
            "for both.",
            holds=False,
        )
    total = count_parameters(r.config).total
    return Told(
        f"The output head turns the last vector into {v:,} logits: a table of {v:,} × {d:,} numbers, of the same "
        "shape as the token embedding. This model uses one table for both, as OpenAI's GPT-2 does: the head is tied.",
        guess_number(
            "How many parameters would it have with two tables?",
            total + v * d,
            (total, 2 * total),
            "{:,.0f}".format,
            f"{total + v * d:,} instead of {total:,}. The chapter's GPT-2 124M has "
            f"{count_parameters(CHAPTERS).total:,} that way.",
        ),
    )


def _lens(r: Reading) -> Told:
    read = logit_lens(r.model, r.traced.trace.stream[::2, r.traced.token : r.traced.token + 1], 1)
    ranks = read.answer_rank[:, 0].tolist()
    last = r.config.n_layers
    settled = next(depth for depth in range(last + 1) if all(rank == 1 for rank in ranks[depth:]))
    answer = r.quoted(int(read.answers[0]))
    return Told(
        f"In the end {answer} leads. Ask the model earlier, as if it ended after block 0, after block 1, and so on: "
        "the logit lens. An answer does not appear at once.",
        guess_number(
            f"Of {counted(last, 'block')}, how many have run when {answer} leads and stays in the lead?",
            settled,
            [depth for depth in (1, last, last // 2) if depth != settled][:2],
            "{:.0f}".format,
            f"{settled} of {last}. Before the first block it stands at rank {ranks[0]:,} of {r.config.vocab_size:,}.",
        ),
    )


LESSON = Lesson(
    "4.6",
    "4.6 The GPT model",
    (
        Stop("Parameters", "map", "#map-picture", _parameters, {"view": "block", "show": "Parameters"}),
        Stop(
            "One table or two",
            "map",
            "#map-code",
            _tied,
            {"view": "output-head", "show": "Parameters"},
            hides="",
        ),
        Stop(
            "When the answer appears",
            "inside",
            "#inside-table",
            _lens,
            {"view": "Logit lens"},
            hides="#inside-table, #inside-figure, #inside-said",
            reads_prompt=True,
        ),
    ),
)

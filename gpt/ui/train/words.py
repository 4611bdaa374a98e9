"""What the Train tab says of a training: what it is, what its losses mean, and what the model wrote on the way."""

from collections.abc import Mapping
from html import escape
from math import exp
from typing import Any

from ...training.inner_look import InnerLook
from ...training.training_history import History, Record
from ..common.captions import About
from ..common.number_format import chance, counted
from ..common.page_html import bar, table

_MOST_EXPONENT = 30  # its power has more digits than anybody reads
EVEN, PAIRS, FLOOR = "every token as likely", "counting pairs", "the best possible"


def about(history: History) -> str:
    """Plain sentence: what is trained on what, and how far it is."""
    head = history.about
    config, plan = head["config"], head["plan"]["schedule"]
    start = f"from {head['start']}" if head["start"] else f"from random weights of seed {head['seed']}"
    return (
        f"A model of {head['parameters']:,} parameters ({counted(config['n_layers'], 'block')}, "
        f"{counted(config['n_heads'], 'head')}, {counted(config['emb_dim'], 'feature')}, context "
        f"{config['context_length']}) learns {head['text']}, "
        f"{head['tokens']:,} tokens, {head['distinct_tokens']:,} different ones, {start}: step {history.steps_done:,} "
        f"of {history.steps_planned:,}, each of {plan['batch_size']} × {counted(config['context_length'], 'token')}, "
        f"with {head['optimizer']}. {_kept_back(head)}"
    )


def _kept_back(head: Mapping[str, Any]) -> str:
    if head["held_out"]:
        return f"{head['held_out']} is the held-out text, {head['held_out_tokens']:,} tokens, not trained on."
    return f"The last {head['held_out_tokens']:,} tokens are the held-out text, not trained on."


def before_next(history: History, step: int) -> str:
    """What stands above the candidates of a kept step."""
    return f"After {counted(step, 'step')}, the model reads “{history.about['prompt']}” and says next:"


def of_training(what: str, history: History, step: int | None = None) -> About:
    """What a picture or a file of a training is of, or of one of its steps."""
    head = history.about
    places: dict[str, str | int] = {"text": str(head["text"]), "seed": int(head["seed"])}
    if step is not None:
        places["step"] = step
    return About(f"Train: {what}", "", str(head["prompt"]) if step is not None else "", places)


def lines(history: History) -> dict[str, float]:
    """Losses that the curves are compared with, nats per token, by what has them."""
    found = {EVEN: history.even_loss, PAIRS: history.about["bigram_loss"]}
    floor = history.about["floor"]
    return found if floor is None else found | {FLOOR: floor}


def meanings(history: History, step: int) -> str:
    """HTML table: losses in nats and as the number of tokens among which a reader is as unsure."""
    said = {
        EVEN: "knows nothing: ln of the vocabulary",
        PAIRS: "knows which token followed the last one, and how often",
        FLOOR: "knows the grammar of the stories and what was said before",
    }
    readers = [(escape(name), said[name], loss) for name, loss in lines(history).items()]
    point = history.point_at(step)
    if point is not None:
        readers.append((f"<b>this model, step {point['step']:,}</b>", "on the text kept back", point["heldout_loss"]))
    rows = [
        [f'{name}<br><span class="hint">{knows}</span>', f"{loss:.3f}", tokens(loss)]
        for name, knows, loss in sorted(readers, key=lambda reader: -float(reader[2]))
    ]
    return (
        '<p class="status">What a loss means: e to its power is the perplexity, the number of equally likely tokens '
        "among which a reader would be as unsure.</p>" + table(["reader", "loss, nats", "as unsure as between"], rows)
    )


def tokens(loss: float) -> str:
    """The perplexity of a loss in nats: 50,257 tokens; 3.4 tokens; e^812 tokens, for a training that diverges."""
    if loss > _MOST_EXPONENT:
        return f"e^{loss:,.0f} tokens"
    perplexity = exp(loss)
    return f"{perplexity:,.0f} tokens" if perplexity >= 20 else f"{perplexity:.1f} tokens"


def sample(history: History, step: int) -> str:
    """HTML of what the model wrote at the held-out point nearest to a step, and of all samples, folded."""
    point = history.point_at(step)
    if point is None:
        return '<p class="status">No sample yet: the first one comes before the first step.</p>'
    others = "".join(f"<li>{_sample(history.about['prompt'], each)}</li>" for each in history.points)
    return (
        f'<p class="train-sample">{_sample(history.about["prompt"], point)}</p>'
        f'<details class="train-samples"><summary>Every sample: {len(history.points)}</summary>'
        f"<ol>{others}</ol></details>"
    )


def _sample(prompt: str, point: Record) -> str:
    share = accepted_share(point)
    fits = "" if share is None else f", sentences of the grammar: {point['accepted']} of {point['sentences']}"
    written = " / ".join(str(point.get("sample", "")).splitlines())
    return (
        f'<span class="section">Step {point["step"]:,}, loss {point["heldout_loss"]:.3f}{fits}</span> '
        f"{escape(prompt)}<b>{escape(written)}</b>"
    )


def accepted_share(point: Record) -> float | None:
    """Which share of the sentences of its own stories the grammar accepts; None for a text without one.

    A model that ended no sentence wrote none that is accepted.
    """
    if "accepted" not in point:
        return None
    return point["accepted"] / point["sentences"] if point["sentences"] else 0.0


def candidates(look: InnerLook) -> str:
    """HTML table of the likeliest next tokens."""
    rows = [
        [f"<code>{escape(each.token)}</code>", chance(each.probability), bar(each.probability, "kept")]
        for each in look.candidates
    ]
    return table(["next token", "probability", ""], rows)


def rows_of(history: History) -> tuple[list[str], list[list[Any]]]:
    """The measurements as a table: a row for each record."""
    names = ["step", "tokens_seen", "loss", "rate", "gradient_norm", "seconds", "heldout_loss", "accepted", "sentences"]
    names.append("sample")
    return names, [[_cell(record, name) for name in names] for record in history.records]


def _cell(record: Mapping[str, Any], name: str) -> Any:
    value = record.get(name)
    return "" if value is None else value

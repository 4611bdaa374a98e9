"""What is shown of two runs side by side: the second one's strip, where they part, and a bar for each token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from ...generation import Settings
from ...run_comparison import Compared, parting
from ...runs import Run, n_unread
from ..common.captions import About, about_run
from ..common.colours import COLOURS
from ..common.figure_template import escaped, figure, token_axis
from ..common.number_format import bits, fine_chance
from ..probabilities.candidate_table import after_settings
from .run_display import run_strip

COLUMNS = (
    "token number", "token_id", "token", "kl_bits",
    "first_probability", "first_rank", "second_probability", "second_rank",
)  # fmt: skip
OTHER_VOCABULARY = "The two models have different vocabularies: their tokens cannot be compared one by one."

_MOST_LABELS = 40  # tokens named below the bars


@dataclass(frozen=True)
class Pair:
    """The run that the page shows, the one beside it, and how their models judged the first one's text.

    `tokens` is None where the two have different vocabularies.
    """

    first: Run
    second: Run
    tokens: tuple[Compared, ...] | None

    def is_of(self, first: Run, model_name: str, settings: Settings) -> bool:
        """Whether these are the two sides, so that nothing has to be compared again."""
        return (self.first, self.second.model_name, self.second.settings) == (first, model_name, settings)

    @property
    def about(self) -> About:
        """What is shown: of the first run, with the second one's model and settings."""
        return about_run("Beside", self.first).at(beside=f"{self.second.model_name}, {settings_text(self.second)}")


def heading(pair: Pair) -> str:
    """Whose text the second strip is."""
    return f"Beside it: {pair.second.model_name}, {settings_text(pair.second)}, the same prompt and seed"


def settings_text(run: Run) -> str:
    """How its tokens were chosen."""
    return after_settings(run.settings.sampling).removeprefix("after ")


def second_strip(pair: Pair) -> str:
    """The second run's tokens, coloured by the probability that its own model gave them; marked where the two part."""
    run = pair.second
    place = None if pair.tokens is None else parting(pair.first, run)
    is_there = place is not None and n_unread(run) <= place < len(run.ids)
    return run_strip(run, "Beside: tokens", place if is_there else None)


def said(pair: Pair) -> str:
    """Where the two texts part, and how far apart the models are, in two sentences."""
    if pair.tokens is None:
        return OTHER_VOCABULARY
    return f"{_parted(pair.first, pair.second)} {_apart(pair)}".strip()


def kl_figure(tokens: Sequence[Compared], run: Run) -> go.Figure:
    """A bar for each token of the first run: how far the second model's prediction lay from the first's, in bits."""
    labels = [run.reader.visible(each.first.token_id) for each in tokens]
    fig = figure(y_title="divergence, bits", height=240)
    fig.add_bar(
        x=list(range(len(tokens))),
        y=[each.kl_bits for each in tokens],
        customdata=[
            [escaped(label), each.position + 1, bits(each.kl_bits), *map(fine_chance, _probabilities(each))]
            for label, each in zip(labels, tokens, strict=True)
        ],
        marker={"color": COLOURS["branch"]},
        hovertemplate=(
            "%{customdata[0]} (token %{customdata[1]})<br>%{customdata[2]}<br>the first gave it %{customdata[3]}, "
            "the second %{customdata[4]}<extra></extra>"
        ),
    )
    fig.update_xaxes(token_axis(labels, room=_MOST_LABELS), tickangle=-60)
    return fig.update_yaxes(rangemode="tozero", nticks=5)


def rows(pair: Pair) -> list[tuple[Any, ...]]:
    """A row for each bar, as COLUMNS names them; empty where nothing could be compared."""
    reader = pair.first.reader
    return [
        (
            each.position + 1, each.first.token_id, reader.visible(each.first.token_id), each.kl_bits,
            each.first.probability, each.first.rank, each.second.probability, each.second.rank,
        )
        for each in pair.tokens or ()
    ]  # fmt: skip


def _probabilities(each: Compared) -> tuple[float, float]:
    return each.first.probability, each.second.probability


def _parted(first: Run, second: Run) -> str:
    place = parting(first, second)
    if place is None:
        return "Both wrote the same text."
    mine, its = (_token_at(run, place) for run in (first, second))
    return f"They part at token {place + 1}: {mine} here, {its} beside it."


def _token_at(run: Run, place: int) -> str:
    return f"“{run.reader.visible(run.ids[place])}”" if place < len(run.ids) else "the end"


def _apart(pair: Pair) -> str:
    tokens = pair.tokens
    if not tokens:
        return "No token of this text was predicted by both models."
    if pair.first.model_name == pair.second.model_name:
        return "Both are the same model, so the predictions are the same: the settings only decide what is drawn."
    mean = sum(each.kl_bits for each in tokens) / len(tokens)
    most = max(tokens, key=lambda each: each.kl_bits)
    token = pair.first.reader.visible(most.first.token_id)
    return (
        f"On the text of the first, the predictions lie {bits(mean)} apart on average, and most before “{token}” "
        f"(token {most.position + 1}): {bits(most.kl_bits)}."
    )

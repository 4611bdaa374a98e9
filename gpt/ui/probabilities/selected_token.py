"""The selected token of a run: how it was chosen, and from which logits, asked of the model that made the run."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from torch import Tensor

from ...generation import Step
from ...library import Library
from ...runs import Run, logits_before, prompt_scores
from ...sampling import Sampling, Scored, TokenTable, stretch, token_table
from ..common.selected_position import valid_position

_FIGURES = ("probability", "logprob", "rank", "entropy_bits")
RUN_COLUMNS = ("token number", "token id", "token", "where", *_FIGURES)


@dataclass(frozen=True)
class SelectedToken:
    """One token of a run, and the logits (v,) it was chosen from; None where the model predicted nothing."""

    run: Run
    position: int
    scored: Scored | None
    logits: Tensor | None

    @property
    def token_id(self) -> int:
        """The token that was taken."""
        return self.run.ids[self.position]

    def table(self, sampling: Sampling, n: int, chosen: int | None) -> TokenTable | None:
        """The n likeliest tokens, and the taken, the chosen and the original's token where these are not among them."""
        if self.logits is None:
            return None
        extra = [self.token_id] + [token_id for token_id in (chosen, self.original_id) if token_id is not None]
        return token_table(self.logits, sampling, n, tuple(extra))

    @property
    def between(self) -> tuple[float, float] | None:
        """The uniform numbers that would have drawn the token under the run's own settings."""
        sampling = self.run.settings.sampling
        if self.logits is None or sampling.greedy or getattr(self.scored, "uniform", None) is None:
            return None
        return stretch(self.logits, sampling, self.token_id)

    @property
    def original_id(self) -> int | None:
        """The token the parent has here, where this run branches from it."""
        parent = self.run.parent
        at_fork = parent is not None and self.position == self.run.parted_at
        return parent.ids[self.position] if parent is not None and at_fork else None

    def marks(self) -> dict[int, str]:
        """What happened to which token, in a word."""
        marks = {} if self.original_id is None else {self.original_id: "original"}
        return marks | {self.token_id: _how(self.scored)}


def select_token(library: Library, run: Run, position: int | None) -> SelectedToken:
    """The token at `position`, or the first new one when the run has none there. May load the run's model."""
    position = valid_position(run, position)
    logits = logits_before(library.get(run.model_name).model, run, position)
    return SelectedToken(run, position, token_scores(library, run)[position], logits)


def token_scores(library: Library, run: Run) -> tuple[Scored | None, ...]:
    """How the model judged every token of a run, prompt and new."""
    beginning = replace(run, steps=run.steps[:1], parent=None, parted_at=None)
    return (*_prompt_scores(library, beginning), *run.steps)


def run_rows(library: Library, run: Run) -> list[list[Any]]:
    """Every token of a run for a file, under RUN_COLUMNS; figures are empty where the model predicted nothing."""
    scores = token_scores(library, run)
    return [
        [
            index + 1,
            token_id,
            run.reader.visible(token_id),
            "prompt" if index < len(run.prompt_ids) else "new",
            *("" if scored is None else getattr(scored, name) for name in _FIGURES),
        ]
        for index, (token_id, scored) in enumerate(zip(run.ids, scores, strict=True))
    ]


@lru_cache(maxsize=8)  # a growing run asks again with every step
def _prompt_scores(library: Library, beginning: Run) -> tuple[Scored | None, ...]:
    return prompt_scores(library.get(beginning.model_name).model, beginning)


def _how(scored: Scored | None) -> str:
    if not isinstance(scored, Step):
        return "in the prompt"
    if scored.forced:
        return "your choice"
    return "greedy" if scored.uniform is None else "drawn"

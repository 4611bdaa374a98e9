"""A run is one generation, from the prompt to its last token. Every tab shows the same one.

A run can grow, and branch at any token. It keeps final hidden vectors, so what the model judged at any token is
computed without reading the text again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import exp, log
from typing import Any

from torch import Tensor

from .generation import Settings, Step, logits_of, steps_after
from .model import GPTModel
from .sampling import Scored, force, score
from .tokenizer import AnyTokenizer, Tokenizer, tokenizer_of

# Of a prompt; far beyond any context window, so more is a mistake.
MOST_CHARACTERS = 20_000
MOST_TOKENS = 4_096
_EMPTY = "The prompt is empty: type a few words for the model to continue."
_ROWS_AT_ONCE = 64  # of logits: 64 x 50,257 float32 numbers are 13 MB


@dataclass(frozen=True)
class Run:
    """One generation, as far as it has come.

    A branch holds its parent, and the position in `ids` where its token differs from the parent's.
    The steps before that position are the parent's.
    """

    model_name: str
    prompt: str
    prompt_ids: tuple[int, ...]
    settings: Settings
    steps: tuple[Step, ...] = ()
    parent: "Run | None" = None
    parted_at: int | None = None
    stop_id: int | None = None  # the token that ends the text; None when only the length does
    # What reads and writes the ids of the run's model; it belongs to the model, so two runs never differ in it alone.
    reader: AnyTokenizer = field(default_factory=Tokenizer, compare=False, repr=False)
    begin_with_end_of_text: bool = False  # the first of prompt_ids stands before the prompt

    @property
    def ids(self) -> tuple[int, ...]:
        """Prompt and generated token ids."""
        return self.prompt_ids + tuple(step.token_id for step in self.steps)


def new_run(
    model: GPTModel, model_name: str, prompt: str, settings: Settings, begin_with_end_of_text: bool = False
) -> Run:
    """A run with no steps yet. Raises ValueError as encoded_prompt does."""
    reader = tokenizer_of(model)
    ids = encoded_prompt(reader, prompt, begin_with_end_of_text)
    begins = begin_with_end_of_text
    return Run(
        model_name, prompt, ids, settings, stop_id=reader.end_of_text, reader=reader, begin_with_end_of_text=begins
    )


def check_prompt(prompt: str, begin_with_end_of_text: bool = False) -> None:
    """Raise ValueError for a prompt that no model could continue: an empty one, or one too long."""
    if not isinstance(prompt, str) or not (prompt or begin_with_end_of_text):
        raise ValueError(_EMPTY)
    if len(prompt) > MOST_CHARACTERS:
        raise ValueError(f"The prompt has {len(prompt):,} characters: shorten it to {MOST_CHARACTERS:,}.")


def encoded_prompt(reader: AnyTokenizer, prompt: str, begin_with_end_of_text: bool = False) -> tuple[int, ...]:
    """Token ids of a prompt, which may be empty when it begins with the end of text that closed another one.

    Raises ValueError for a prompt that is empty, too long or not in the vocabulary, and where the vocabulary has no
    end of text.
    """
    check_prompt(prompt, begin_with_end_of_text)
    if begin_with_end_of_text and reader.end_of_text is None:
        raise ValueError("This model's vocabulary has no end-of-text token: write a prompt, and begin with that.")
    ids = [reader.end_of_text] if begin_with_end_of_text and reader.end_of_text is not None else []
    ids += reader.encode(prompt)
    if not ids:
        raise ValueError(_EMPTY)
    if len(ids) > MOST_TOKENS:
        raise ValueError(f"The prompt has {len(ids):,} tokens: shorten it to {MOST_TOKENS:,}.")
    return tuple(ids)


def grow(model: GPTModel, run: Run) -> Iterator[Run]:
    """Yield the run with one step more each time, until it is finished.

    The new steps are what `generate` gives for the run's ids under its settings.
    """
    if finished(run):
        return
    missing = replace(run.settings, max_new_tokens=run.settings.max_new_tokens - len(run.steps))
    for step in steps_after(model, run.ids, missing, run.stop_id):
        # A run that goes on reads all its tokens again. The vectors of the earlier ones are kept already.
        kept = replace(step, hidden=step.hidden[-1:].clone()) if run.steps else step
        run = replace(run, steps=(*run.steps, kept))
        yield run


def finished(run: Run) -> bool:
    """Whether nothing more is to come, even if nobody stops it."""
    return len(run.steps) >= run.settings.max_new_tokens or finish_reason(run) == "eos"


def n_unread(run: Run) -> int:
    """How many tokens of the prompt stand before the context, so that the model never read them."""
    return len(run.prompt_ids) - len(run.steps[0].hidden) if run.steps else 0


def finish_reason(run: Run) -> str:
    """Why a finished run ended: "eos" (the end-of-text token) or "length"."""
    return "eos" if run.steps and run.steps[-1].token_id == run.stop_id else "length"


def branch(model: GPTModel, parent: Run, position: int, token_id: int) -> Iterator[Run]:
    """Yield the run that has token_id at `position` of parent.ids, then that run with each token grown after it.

    Grows what `generate` gives for the longer prompt under the parent's settings, up to the length the
    parent was asked for. At a prompt token, the text before it becomes the branch's prompt. Raises ValueError
    at once where the model did not predict a token, and for a token_id that the model does not have.
    """
    hidden = _hidden_before(parent, position)
    if hidden is None:
        raise ValueError(f"Token {position} cannot branch, because the model did not predict it: choose a later one.")
    if not 0 <= token_id < model.config.vocab_size:
        raise ValueError(f"{token_id} is not a token of this model: its ids end at {model.config.vocab_size - 1}.")
    chosen = force(logits_of(model, hidden[-1]), parent.settings.sampling, token_id)
    start = _before(parent, position)
    forced = Step(**vars(chosen), hidden=hidden, forced=True)
    begun = replace(start, steps=(*start.steps, forced))
    return chain([begun], grow(model, begun))


def written_again(model: GPTModel, model_name: str, run: Run) -> Iterator[Run]:
    """Yield the run that another model writes for the same prompt, settings and seed, with each token.

    A branch is written from its first prompt on, and has the same token at the same place. Raises ValueError as
    new_run does, and where the other model's text has no such token or ends before that place.
    """
    if run.parent is None or run.parted_at is None:
        yield from grow(model, new_run(model, model_name, run.prompt, run.settings, run.begin_with_end_of_text))
        return
    parent = None
    for parent in written_again(model, model_name, run.parent):
        yield parent
    token_id = run.ids[run.parted_at]
    assert parent is not None
    if not _is_same_token(run.reader, parent.reader, token_id):
        chosen = run.reader.visible(token_id)
        raise ValueError(
            f"{chosen!r}, with which the branch begins, is no token of this model: run its prompt instead."
        )
    if run.parted_at >= len(parent.ids):
        raise ValueError(
            f"This model's text ends at token {len(parent.ids)}, and the branch begins at token {run.parted_at + 1}: "
            "run the prompt instead."
        )
    yield from branch(model, parent, run.parted_at, token_id)


def logits_before(model: GPTModel, run: Run, position: int) -> Tensor | None:
    """The logits (v,) from which the token at `position` of run.ids was chosen, or predicted in the prompt.

    None for the first token, for prompt tokens before the context window, and for a prompt not read yet.
    """
    hidden = _hidden_before(run, position)
    return None if hidden is None else logits_of(model, hidden[-1])


def prompt_scores(model: GPTModel, run: Run) -> tuple[Scored | None, ...]:
    """The figures of each prompt token, predicted from the tokens before it; None where `logits_before` gives None."""
    ids = run.prompt_ids
    if not run.steps:
        return (None,) * len(ids)
    hidden = run.steps[0].hidden[:-1]  # the last row predicts the first new token
    predicted = ids[len(ids) - len(hidden) :]
    scores: list[Scored | None] = [None] * (len(ids) - len(hidden))
    for start in range(0, len(hidden), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        scores += map(score, logits_of(model, hidden[rows]), predicted[rows])
    return tuple(scores)


def surprisal_bits(logprob: float) -> float:
    """How surprising a token of this log-probability (nats) is, in bits."""
    return max(0.0, -logprob / log(2))


def perplexity(scores: Sequence[Scored | None]) -> float | None:
    """e to the mean surprisal (nats) of the tokens that have a score; None when none has."""
    logprobs = [scored.logprob for scored in scores if scored is not None]
    return exp(-sum(logprobs) / len(logprobs)) if logprobs else None


def first_difference(run: Run, other: Run) -> int:
    """The position of the first token that the two do not share."""
    pairs = zip(run.ids, other.ids, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(run.ids), len(other.ids)))


def record(run: Run, scores: Sequence[Scored | None]) -> dict[str, Any]:
    """A run as JSON-ready data; scores are those of its prompt."""
    settings, reader = run.settings, run.reader
    return {
        "model": run.model_name,
        "prompt": run.prompt,
        "begin_with_end_of_text": run.begin_with_end_of_text,
        "text": reader.decode(run.ids),
        "max_new_tokens": settings.max_new_tokens,
        "temperature": settings.sampling.temperature,
        "top_k": settings.sampling.top_k,
        "top_p": settings.sampling.top_p,
        "seed": settings.seed,
        "ids": list(run.ids),
        "prompt_perplexity": perplexity(scores),
        "prompt_tokens": [
            {"token_id": token_id, "token": reader.decode([token_id])} | _figures(scored)
            for token_id, scored in zip(run.prompt_ids, scores, strict=True)
        ],
        "steps": [
            {
                "token_id": step.token_id,
                "token": reader.decode([step.token_id]),
                **_figures(step),
                "sampling_probability": step.sampling_probability,
                "uniform": step.uniform,
                "forced": step.forced,
            }
            for step in run.steps
        ],
        "parted_at": run.parted_at,
        "parent_ids": None if run.parent is None else list(run.parent.ids),
    }


def _figures(scored: Scored | None) -> dict[str, float | None]:
    names = ("probability", "logprob", "rank", "entropy_bits")
    return {name: getattr(scored, name, None) for name in names}


def _is_same_token(reader: AnyTokenizer, other: AnyTokenizer, token_id: int) -> bool:
    return token_id < other.vocab_size and reader.visible(token_id) == other.visible(token_id)


def _hidden_before(run: Run, position: int) -> Tensor | None:
    """The final hidden vectors (n, d), n at least 1, read up to the token before `position`, or None."""
    step = position - len(run.prompt_ids)
    if not run.steps or step >= len(run.steps):
        return None
    hidden = run.steps[step].hidden if step >= 0 else run.steps[0].hidden[:step]
    return hidden if len(hidden) else None


def _before(run: Run, position: int) -> Run:
    """The branch of a run at `position`, with the tokens before it and nothing else yet."""
    step = position - len(run.prompt_ids)
    start = replace(run, steps=run.steps[: max(step, 0)], parent=run, parted_at=position)
    if step >= 0:
        return start
    prompt_ids = run.prompt_ids[:position]
    written = prompt_ids[1:] if run.begin_with_end_of_text else prompt_ids
    return replace(start, prompt_ids=prompt_ids, prompt=run.reader.decode(written))

"""What can be asked of a run without reading its text again: the logits behind any token, the figures of its
prompt, another road from one of its tokens, and a record to keep.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import exp, log
from typing import Any

from torch import Tensor

from .generation import Run, Step, generate, logits_of
from .model import GPTModel
from .sampling import Scored, force, score
from .tokenizer import Tokenizer

_ROWS_AT_ONCE = 64  # of logits: 64 x 50,257 float32 numbers are 13 MB


def logits_before(model: GPTModel, run: Run, position: int) -> Tensor | None:
    """The logits (v,) from which the token at `position` of run.ids was chosen, or foreseen in the prompt.

    None for the first token, for prompt tokens before the context window, and for a prompt not read yet.
    """
    hidden = _hidden_before(run, position)
    return None if hidden is None else logits_of(model, hidden[-1])


def prompt_scores(model: GPTModel, run: Run) -> tuple[Scored | None, ...]:
    """How the model judged each prompt token from those before it; None where `logits_before` gives none."""
    ids = run.prompt_ids
    if not run.steps:
        return (None,) * len(ids)
    hidden = run.steps[0].hidden[:-1]  # the last row foresees the first new token
    foreseen = ids[len(ids) - len(hidden) :]
    scores: list[Scored | None] = [None] * (len(ids) - len(hidden))
    for start in range(0, len(hidden), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        scores += map(score, logits_of(model, hidden[rows]), foreseen[rows])
    return tuple(scores)


def surprisal_bits(logprob: float) -> float:
    """How surprising a token of this log-probability (nats) is, in bits."""
    return max(0.0, -logprob / log(2))


def perplexity(scores: Sequence[Scored | None]) -> float | None:
    """e to the mean surprisal (nats) of the tokens that have a score; None when none has."""
    logprobs = [scored.logprob for scored in scores if scored is not None]
    return exp(-sum(logprobs) / len(logprobs)) if logprobs else None


def branch(
    model: GPTModel, tokenizer: Tokenizer, parent: Run, position: int, token_id: int, stop_id: int | None = None
) -> Iterator[Run]:
    """Yield the run that has token_id at `position` of parent.ids, then that run with each token regrown.

    Regrows what `generate` gives for the longer prompt under the parent's settings, up to the length the
    parent was asked for. At a prompt token, the text before it becomes the branch's prompt. Raises ValueError
    at once where nothing foresaw a token, and for a token_id that the model does not have.
    """
    hidden = _hidden_before(parent, position)
    if hidden is None:
        raise ValueError(f"Token {position} has no other road, because the model foresaw none: choose a later one.")
    if not 0 <= token_id < model.config.vocab_size:
        raise ValueError(f"{token_id} is not a token of this model: its ids end at {model.config.vocab_size - 1}.")
    chosen = force(logits_of(model, hidden[-1]), parent.settings.sampling, token_id)
    start = _before(parent, position, tokenizer)
    forced = Step(**vars(chosen), hidden=hidden, forced=True)
    return _regrow(model, replace(start, steps=(*start.steps, forced)), stop_id)


def first_difference(run: Run, other: Run) -> int:
    """The position of the first token that the two do not share."""
    pairs = zip(run.ids, other.ids, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(run.ids), len(other.ids)))


def record(run: Run, scores: Sequence[Scored | None], tokenizer: Tokenizer) -> dict[str, Any]:
    """A run as JSON-ready data; scores are those of its prompt."""
    settings = run.settings
    return {
        "model": run.model_name,
        "prompt": run.prompt,
        "text": tokenizer.decode(run.ids),
        "max_new_tokens": settings.max_new_tokens,
        "temperature": settings.sampling.temperature,
        "top_k": settings.sampling.top_k,
        "top_p": settings.sampling.top_p,
        "seed": settings.seed,
        "ids": list(run.ids),
        "prompt_perplexity": perplexity(scores),
        "prompt_tokens": [
            {"token_id": token_id, "token": tokenizer.decode([token_id])} | _figures(scored)
            for token_id, scored in zip(run.prompt_ids, scores, strict=True)
        ],
        "steps": [
            {
                "token_id": step.token_id,
                "token": tokenizer.decode([step.token_id]),
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


def _hidden_before(run: Run, position: int) -> Tensor | None:
    """The final hidden vectors (n, d) read up to the token before `position`, at least one of them, or None."""
    step = position - len(run.prompt_ids)
    if not run.steps or step >= len(run.steps):
        return None
    hidden = run.steps[step].hidden if step >= 0 else run.steps[0].hidden[:step]
    return hidden if len(hidden) else None


def _before(run: Run, position: int, tokenizer: Tokenizer) -> Run:
    """The branch of a run at `position`, with the tokens before it and nothing else yet."""
    step = position - len(run.prompt_ids)
    start = replace(run, steps=run.steps[: max(step, 0)], parent=run, parted_at=position)
    if step >= 0:
        return start
    prompt_ids = run.prompt_ids[:position]
    return replace(start, prompt_ids=prompt_ids, prompt=tokenizer.decode(prompt_ids))


def _regrow(model: GPTModel, run: Run, stop_id: int | None) -> Iterator[Run]:
    yield run
    settings = run.settings
    length = settings.max_new_tokens - len(run.steps)
    if length < 1 or run.ids[-1] == stop_id:
        return
    sampling = settings.sampling
    for step in generate(
        model, run.ids, length, sampling.temperature, sampling.top_k, sampling.top_p, settings.seed, stop_id
    ):
        # The first of them reads the whole longer prompt again: keep what is new, as in any other run.
        run = replace(run, steps=(*run.steps, replace(step, hidden=step.hidden[-1:].clone())))
        yield run

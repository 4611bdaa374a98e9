"""What the endpoints answer, as JSON-ready data: steps, runs, accounts, candidates."""

from dataclasses import asdict
from typing import Any

from torch import Tensor

from ..attribution.logit_attribution import Account
from ..generation import Step
from ..runs import Run, finish_reason, finished
from ..sampling import TokenRow
from ..tokenizer import AnyTokenizer, StreamDecoder
from ..tracing import mean_and_variance

Answer = dict[str, Any]  # JSON-ready
OUT_OF_TIME = "seconds"  # the finish_reason where the server's limit of seconds ended a text


def step_news(run: Run, decoder: StreamDecoder) -> Answer:
    """What the last token adds to an answer: the characters that are complete with it, its id, its figures."""
    step = run.steps[-1]
    return {
        "text": decoder.push(step.token_id),
        "token_ids": [step.token_id],
        "steps": [step_answer(step, run.reader)],
        "finish_reason": None,
    }


def step_answer(step: Step, reader: AnyTokenizer) -> Answer:
    """One new token as JSON-ready data."""
    return {
        "token_id": step.token_id,
        "token": reader.decode([step.token_id]),
        "probability": step.probability,
        "logprob": step.logprob,
        "rank": step.rank,
    }


def run_answer(run: Run) -> Answer:
    """A run that grows no more as JSON-ready data."""
    reader = run.reader
    return {
        "text": reader.decode(run.ids),
        "prompt_ids": list(run.prompt_ids),
        "token_ids": [step.token_id for step in run.steps],
        "steps": [step_answer(step, reader) for step in run.steps],
        "finish_reason": finish_reason(run) if finished(run) else OUT_OF_TIME,
        "model": run.model_name,
        "seed": run.settings.seed,
    }


def account_answer(found: Account) -> Answer:
    """An account of a logit as JSON-ready data."""
    return {
        "token_id": found.token_id,
        "rival_id": found.rival_id,
        "logit_difference": found.logit_difference,
        "parts": [asdict(part) for part in found.parts],
    }


def spread_answer(x: Tensor) -> dict[str, list[float]]:
    """Mean and biased variance of each row of x (t, d)."""
    mean, variance = mean_and_variance(x)
    return {"mean": mean.tolist(), "var": variance.tolist()}


def row_answer(row: TokenRow, reader: AnyTokenizer) -> Answer:
    """One candidate token as JSON-ready data, with its text."""
    answer = asdict(row) | {"token": reader.decode([row.token_id])}
    del answer["cut_by"]
    return answer

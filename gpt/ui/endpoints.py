"""The HTTP endpoints for programs, as /generate and /calculate. The page's own events are private."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import gradio as gr
from torch import Tensor

from ..config import GPTConfig
from ..generation import Run, Settings, next_token_table
from ..library import Library
from ..sampling import Sampling, TokenRow
from ..tokenizer import Tokenizer
from ..tracing import mean_and_variance, trace
from ..weights import WeightsError
from ..workload import Workload
from . import calculation
from .runs import finish_reason, grow, new_run, prompt_ids
from .shared import MODEL_QUEUE

_TOKENIZER = Tokenizer()


def build(library: Library) -> None:
    """Register the endpoints on the page under construction."""

    def generate(
        prompt: str,
        max_new_tokens: int = 50,
        temperature: float = 0.8,
        top_k: int = 50,
        top_p: float = 1.0,
        seed: int = 123,
        model: str = "",
    ) -> Iterator[dict]:
        """Continue a prompt; streams the answer so far after every token."""
        with refusals():
            run = new_run(library, model, prompt, Settings(max_new_tokens, Sampling(temperature, top_k, top_p), seed))
            yield from map(run_answer, grow(library, run))

    def next_token(
        prompt: str,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        n: int = 10,
        model: str = "",
    ) -> dict:
        """The n likeliest tokens to follow a prompt and what the sampling settings make of them."""
        with refusals():
            table = next_token_table(library.get(model).model, prompt_ids(prompt), temperature, top_k, top_p, n)
        return {
            "tokens": [row_answer(row) for row in table.tokens],
            "other_probability": table.other_probability,
            "entropy_bits": table.entropy_bits,
        }

    def layernorm(prompt: str, block: int = 0, norm: str = "norm1", model: str = "") -> dict:
        """Mean and biased variance of every prompt token before, inside and after one LayerNorm."""
        with refusals():
            ids = prompt_ids(prompt)
            opened = trace(library.get(model).model, ids).norm(block, norm)
        return {
            "tokens": [_TOKENIZER.decode([token_id]) for token_id in ids],
            "before": spread_answer(opened.before),
            "normalized": spread_answer(opened.normalized),
            "after": spread_answer(opened.after),
        }

    def models() -> list[dict]:
        """The models that can be named in the other calls."""
        return [asdict(info) for info in library.models()]

    for fn in (generate, next_token, layernorm):
        gr.api(fn, api_name=fn.__name__, **MODEL_QUEUE)
    gr.api(calculate, api_name="calculate")
    gr.api(models, api_name="models")


def calculate(
    emb_dim: int,
    n_layers: int,
    n_heads: int,
    context_length: int = 1024,
    vocab_size: int = 50257,
    qkv_bias: bool = False,
    tied_head: bool = False,
    dtype: str = "float32",
    batch_size: int = 1,
    seq_len: int = 1024,
    mode: str = "inference",
    optimizer: str = "adamw",
) -> dict:
    """Parameters, bytes of memory and operations of a model that need not exist."""
    with refusals():
        config = GPTConfig(
            vocab_size, context_length, emb_dim, n_heads, n_layers, qkv_bias=qkv_bias, tied_head=tied_head
        )
        return calculation.answer(config, Workload(dtype, batch_size, seq_len, mode, optimizer))


@contextmanager
def refusals() -> Iterator[None]:
    """Turns what the library refuses into an answer of one sentence, without a traceback in the log."""
    try:
        yield
    except (ValueError, WeightsError) as error:
        raise gr.Error(str(error), print_exception=False) from error


def run_answer(run: Run) -> dict:
    """A run as JSON-ready data."""
    return {
        "text": _TOKENIZER.decode(run.ids),
        "prompt_ids": list(run.prompt_ids),
        "token_ids": [step.token_id for step in run.steps],
        "steps": [
            {
                "token_id": step.token_id,
                "token": _TOKENIZER.decode([step.token_id]),
                "probability": step.probability,
                "logprob": step.logprob,
                "rank": step.rank,
            }
            for step in run.steps
        ],
        "finish_reason": finish_reason(run),
        "model": run.model_name,
        "seed": run.settings.seed,
    }


def spread_answer(x: Tensor) -> dict[str, list[float]]:
    """Mean and biased variance of each row of x (t, d)."""
    mean, variance = mean_and_variance(x)
    return {"mean": mean.tolist(), "var": variance.tolist()}


def row_answer(row: TokenRow) -> dict:
    """One candidate token as JSON-ready data, with its text."""
    answer = asdict(row) | {"token": _TOKENIZER.decode([row.token_id])}
    del answer["cut_by"]
    return answer

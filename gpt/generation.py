"""The decoding loop of section 4.7 as an iterator of steps, with a key-value cache and a seed of its own.

It knows token ids only. Text belongs to the tokenizer, and what is kept of a generation to `runs`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .engine.batch import Client
from .engine.compiled_pass import head_logits
from .engine.packed_model import packed_model
from .engine.text_reader import TextReader, text_reader
from .model import GPTModel
from .sampling import Draw, Sampling, TokenTable, draw, token_table
from .seeding import LARGEST_DRAW_SEED, uniform_numbers


@dataclass(frozen=True)
class Step(Draw):
    """One new token, and the final hidden vectors (n, d) of the n tokens read for it.

    The first step reads the prompt, and every later step the token before it. The token was chosen from the last row.
    The model's output head computes the logits of any row. `forced` marks a token that a person chose.
    """

    hidden: Tensor = field(repr=False, compare=False)
    forced: bool = False


@dataclass(frozen=True)
class Settings:
    """What a generation was asked for. Raises ValueError for a length or a seed out of range."""

    max_new_tokens: int = 50
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 123

    def __post_init__(self) -> None:
        if not _is_whole(self.max_new_tokens) or self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}: choose a whole number of 1 or more.")
        if not _is_whole(self.seed) or not 0 <= self.seed <= LARGEST_DRAW_SEED:
            raise ValueError(f"seed is {self.seed}: choose a whole number from 0 to {LARGEST_DRAW_SEED:,}.")


def generate(
    model: GPTModel,
    ids: Sequence[int] | Tensor,
    max_new_tokens: int = 50,
    temperature: float = 0.8,
    top_k: int = 50,
    top_p: float = 1.0,
    seed: int = 123,
    stop_id: int | None = None,
) -> Iterator[Step]:
    """Yield up to max_new_tokens steps that continue ids (a list, (t,) or (1, t)).

    Ends after a step whose token is stop_id. Past the context length the window slides: each new token is then
    computed from the last context_length tokens. Raises ValueError at once for wrong arguments.

    A text goes on with the weights it began with, whatever happens to the model. Raises ValueError when the panels of a
    bfloat16 or int8 model are written to meanwhile. A new text sees every change but one, single numbers of a matrix
    set through `.data`. In a forked process one thread computes (`gpt.engine.after_fork`).
    """
    return steps_after(model, ids, Settings(max_new_tokens, Sampling(temperature, top_k, top_p), seed), stop_id)


def steps_after(
    model: GPTModel,
    ids: Sequence[int] | Tensor,
    settings: Settings,
    stop_id: int | None = None,
    client: Client = None,
) -> Iterator[Step]:
    """`generate` for settings that have been checked: the steps that continue ids, on behalf of a client."""
    return _steps(model, checked_ids(model, ids), settings, stop_id, client)


def read_along(model: GPTModel, ids: Sequence[int] | Tensor, n_prompt: int, client: Client = None) -> Iterator[Tensor]:
    """What the steps would keep that write ids after the first n_prompt of them: their final hidden vectors (n, d).

    The model chooses nothing: it reads a text of someone else just as it would read its own. Raises ValueError at once
    for wrong arguments.
    """
    listed = checked_ids(model, ids)
    if not _is_whole(n_prompt) or not 1 <= n_prompt < len(listed):
        raise ValueError(f"n_prompt is {n_prompt} of {len(listed)} ids: choose 1 or more, and leave at least one.")
    return _read_along(model, listed, n_prompt, client)


def next_token_table(
    model: GPTModel,
    ids: Sequence[int] | Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    n: int = 10,
) -> TokenTable:
    """The n likeliest tokens to follow ids, their sampling probabilities, and the probability of all the others."""
    sampling = Sampling(temperature, top_k, top_p)
    if not _is_whole(n) or n < 1:
        raise ValueError(f"n is {n}: choose a whole number of 1 or more.")
    window = checked_ids(model, ids)[-model.config.context_length :]
    reader = text_reader(model, len(window))
    try:
        _, logits = reader.read(window)
    finally:
        reader.close()
    return token_table(logits, sampling, n)


@torch.inference_mode()
def logits_of(model: GPTModel, hidden: Tensor) -> Tensor:
    """Logits (..., v) of final hidden vectors (..., d), to the bit those that a text was drawn from."""
    packed = packed_model(model)
    if packed is not None:
        return head_logits(packed, hidden.reshape(-1, hidden.shape[-1])).view(*hidden.shape[:-1], packed.vocab_size)
    logits: Tensor = model.out_head(hidden)
    return logits.float()


def checked_ids(model: GPTModel, ids: Sequence[int] | Tensor) -> list[int]:
    """ids as a list. Raises ValueError when there are none or the model's vocabulary lacks one."""
    listed = ids.flatten().tolist() if isinstance(ids, Tensor) else list(ids)
    if isinstance(ids, Tensor) and ids.dim() > 1 and ids.shape[0] != 1:
        raise ValueError(f"ids has the shape {tuple(ids.shape)}: give one text, (t,) or (1, t).")
    if not listed:
        raise ValueError("There are no tokens to continue: give at least one.")
    v = model.config.vocab_size
    for token_id in listed:
        if not _is_whole(token_id) or not 0 <= token_id < v:
            raise ValueError(f"{token_id!r} is not a token of this model: its ids run from 0 to {v - 1}.")
    return listed


def _steps(model: GPTModel, ids: list[int], settings: Settings, stop_id: int | None, client: Client) -> Iterator[Step]:
    context_length = model.config.context_length
    reader = text_reader(model, min(len(ids) + settings.max_new_tokens, context_length), client)
    next_uniform = uniform_numbers(settings.seed)
    n_unread = len(ids)
    try:
        for _ in range(settings.max_new_tokens):
            # 1. Read what is new.
            hidden, logits = _read_end(reader, ids, n_unread, context_length)
            # 2. Draw from the scores of the whole vocabulary for the place after the last token.
            chosen = draw(logits, settings.sampling, next_uniform)
            yield Step(**vars(chosen), hidden=hidden)
            # 3. The token becomes input.
            if chosen.token_id == stop_id:
                return
            ids = [*ids, chosen.token_id]
            n_unread = 1
    finally:
        reader.close()


def _read_along(model: GPTModel, ids: list[int], n_prompt: int, client: Client) -> Iterator[Tensor]:
    context_length = model.config.context_length
    reader = text_reader(model, min(len(ids), context_length), client)
    try:
        for stop in range(n_prompt, len(ids)):
            n_unread = n_prompt if stop == n_prompt else 1
            yield _read_end(reader, ids[:stop], n_unread, context_length)[0]
    finally:
        reader.close()


def _read_end(reader: TextReader, ids: list[int], n_unread: int, context_length: int) -> tuple[Tensor, Tensor]:
    """Final hidden vectors of the last n_unread of ids, those before them read already, and the logits after them.

    When the window has to slide every position changes, so all of it is read again.
    """
    if len(ids) <= context_length:
        return reader.read(ids[-n_unread:])
    reader.restart()
    hidden, logits = reader.read(ids[-context_length:])
    # A copy, because a slice would keep the vectors of the whole window alive with every step.
    return hidden[-n_unread:].clone(), logits


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

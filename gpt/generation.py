"""The decoding loop of section 4.7 as an iterator of steps, with a key-value cache and a seed of its own.

Knows token ids only; text belongs to the tokenizer, and a run's place on the page to the page.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .cache import KVCache
from .model import GPTModel
from .one_token import one_token_reader
from .precision import cache_dtype
from .sampling import Draw, Sampling, TokenTable, draw, token_table
from .turns import MACHINE

_LARGEST_SEED = 2**63 - 1
# So many take longer together than one by one: torch's products need more rows to be quick.
_FEW_TOKENS = 4


@dataclass(frozen=True)
class Step(Draw):
    """One new token, and the final hidden vectors (n, d) of the n tokens read for it.

    The first step reads the prompt, every later one the token before it; the last row chose the token,
    and the model's output head turns any row back into logits. `forced` marks a token the reader chose.
    """

    hidden: Tensor = field(repr=False, compare=False)
    forced: bool = False


@dataclass(frozen=True)
class Settings:
    """What a generation was asked for. Raises ValueError for lengths and seeds that cannot be."""

    max_new_tokens: int = 50
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 123

    def __post_init__(self) -> None:
        if not _is_whole(self.max_new_tokens) or self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}: choose a whole number of 1 or more.")
        if not _is_whole(self.seed) or not 0 <= self.seed <= _LARGEST_SEED:
            raise ValueError(f"seed is {self.seed}: choose a whole number from 0 to 2^63 - 1.")


@dataclass(frozen=True)
class Run:
    """One generation, as far as it has come: all the tabs read the same one.

    A branch holds its parent and the position in `ids` where it takes another token than the parent did;
    the steps before that are the parent's.
    """

    model_name: str
    prompt: str
    prompt_ids: tuple[int, ...]
    settings: Settings
    steps: tuple[Step, ...] = ()
    parent: "Run | None" = None
    parted_at: int | None = None

    @property
    def ids(self) -> tuple[int, ...]:
        """Prompt and generated token ids."""
        return self.prompt_ids + tuple(step.token_id for step in self.steps)


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

    Ends after a step whose token is stop_id. Past the context length the window slides: each token is
    then computed from the last context_length ones. Raises ValueError at once for wrong arguments.
    """
    settings = Settings(max_new_tokens, Sampling(temperature, top_k, top_p), seed)
    return _steps(model, checked_ids(model, ids), settings, stop_id)


def next_token_table(
    model: GPTModel,
    ids: Sequence[int] | Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    n: int = 10,
) -> TokenTable:
    """The n likeliest tokens to follow ids, what the settings make of them, and the mass of all the others."""
    sampling = Sampling(temperature, top_k, top_p)
    if not _is_whole(n) or n < 1:
        raise ValueError(f"n is {n}: choose a whole number of 1 or more.")
    window = checked_ids(model, ids)[-model.config.context_length :]
    return token_table(logits_of(model, _read(model, window, None)[-1]), sampling, n)


@torch.inference_mode()
def logits_of(model: GPTModel, hidden: Tensor) -> Tensor:
    """Logits (..., v) of final hidden vectors (..., d), as the model's own forward gives them."""
    return model.out_head(hidden).float()


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


def _steps(model: GPTModel, ids: list[int], settings: Settings, stop_id: int | None) -> Iterator[Step]:
    context_length = model.config.context_length
    capacity = min(len(ids) + settings.max_new_tokens, context_length)
    cache = KVCache(model.config, capacity, dtype=cache_dtype(model))
    generator = torch.Generator().manual_seed(settings.seed)
    read_one = one_token_reader(model)
    unread = ids
    for _ in range(settings.max_new_tokens):
        with MACHINE:
            # 1. Read what is new; when the window has to slide every position changes, so read all of it again.
            if len(ids) > context_length:
                # A copy, because a slice would keep the vectors of the whole window alive with every step.
                hidden = _read(model, ids[-context_length:], None)[-len(unread) :].clone()
            elif read_one and len(unread) <= _FEW_TOKENS:
                hidden = torch.cat([read_one(token_id, cache) for token_id in unread])
            else:
                hidden = _read(model, unread, cache)
            # 2. Score the whole vocabulary for the place after the last token, and draw from it.
            chosen = draw(logits_of(model, hidden[-1]), settings.sampling, generator)
        yield Step(**vars(chosen), hidden=hidden)
        # 3. The token becomes input.
        if chosen.token_id == stop_id:
            return
        unread = [chosen.token_id]
        ids = ids + unread


@torch.inference_mode()
def _read(model: GPTModel, ids: list[int], cache: KVCache | None) -> Tensor:
    """Final hidden vectors (t, d) of ids, without dropout; with a cache they continue what it holds."""
    training = model.training
    if training:
        model.eval()
    try:
        return model.hidden(torch.tensor([ids]), cache)[0]
    finally:
        if training:
            model.train()


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

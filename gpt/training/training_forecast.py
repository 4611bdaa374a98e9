"""What a training would take and may reach, before it begins: from its texts, model and plan, without any weight."""

import argparse
from dataclasses import dataclass, replace
from math import log
from statistics import median

import torch

from ..config import GPTConfig
from ..estimates.budget import count_parameters
from ..estimates.flops import count_flops
from ..model_reference import STORYTELLER, STORYTELLER_FOLDER
from ..tokenizer import Tokenizer
from .model_card import card_rows
from .output_folder import OutputFolder
from .stories import is_bundled
from .suited_sizes import SIZE, Suited, suited
from .training_history import History, recorded_history
from .training_job import check_memory, least_loss, outline
from .vocabulary import N_COMMON, N_SAMPLED

_STORED_BYTES = 2  # of a weight of the finished model: bfloat16


@dataclass(frozen=True)
class Reached:
    """The result of another training, as the card of its model gives it."""

    name: str
    tokens_read: int
    heldout_loss: float  # nats per token, of its own held-out text


@dataclass(frozen=True)
class Forecast:
    """What is to be learned, the size of the model, what the steps take, and what is known of such trainings."""

    tokens: int
    distinct_tokens: int
    held_out_tokens: int
    steps: int
    tokens_in_step: int
    parameters: int
    learning_parameters: int  # without the rows of tokens that the text lacks
    step_bytes: int
    step_flops: int
    even_loss: float  # nats per token: every token of the vocabulary as likely
    pair_loss: float  # by counting pairs of tokens
    least_loss: float | None  # the best possible, where that is known
    recorded: History | None  # the recorded training, where it is of this text and this size
    tried: Suited | None  # a text read too often was tried with this size
    bundled: Reached | None  # the bundled model, where it has this size

    @property
    def tokens_read(self) -> int:
        """In all steps together."""
        return self.steps * self.tokens_in_step

    @property
    def passes(self) -> float:
        """How often the text is read."""
        return self.tokens_read / self.tokens

    @property
    def unforeseen_bytes(self) -> float:
        """About how many bytes a reader who counts pairs would still need in order to write the text down."""
        return self.tokens * self.pair_loss / log(2) / 8

    @property
    def learning_bytes(self) -> int:
        """Of the weights that learn, as the finished model has them."""
        return _STORED_BYTES * self.learning_parameters


def forecast(options: argparse.Namespace) -> Forecast:
    """For the options of the command line. Raises ValueError, with one sentence, for what cannot be trained."""
    asked = outline(options, Tokenizer())
    config, schedule, distinct = asked.config, asked.plan.schedule, len(asked.ids.unique())
    step_bytes = asked.step_bytes(schedule.batch_size)
    check_memory(step_bytes, torch.device("cpu"))
    return Forecast(
        tokens=len(asked.ids),
        distinct_tokens=distinct,
        held_out_tokens=asked.n_scored,
        steps=schedule.steps,
        tokens_in_step=schedule.batch_size * config.context_length,
        parameters=count_parameters(config).total,
        learning_parameters=count_parameters(replace(config, vocab_size=distinct)).total,
        step_bytes=step_bytes,
        step_flops=_step_flops(config, distinct, schedule.batch_size),
        even_loss=log(config.vocab_size),
        pair_loss=asked.pair_loss,
        least_loss=least_loss(options, asked),
        recorded=_recorded(config) if options.held_out is None and is_bundled(options.text) else None,
        tried=_tried(config, len(asked.ids)),
        bundled=_bundled(config),
    )


def _recorded(config: GPTConfig) -> History | None:
    history = recorded_history()
    return history if GPTConfig(**history.about["config"]) == config else None


def _tried(config: GPTConfig, n_tokens: int) -> Suited | None:
    fitting = suited(n_tokens)
    is_tried = fitting.measured_on is not None and all(getattr(config, each) == getattr(fitting, each) for each in SIZE)
    return fitting if is_tried else None


def _bundled(config: GPTConfig) -> Reached | None:
    rows = card_rows(OutputFolder(STORYTELLER_FOLDER).card)
    of_model = dict(each.split(" ", 1) for each in rows["model"].split(", "))
    if any(of_model[name] != str(getattr(config, name)) for name in SIZE):
        return None
    read, loss = (rows[what].split()[0] for what in ("tokens seen", "held-out loss"))
    return Reached(STORYTELLER, int(read.replace(",", "")), float(loss))


def flops_per_second(history: History) -> float | None:
    """The rate that a training reached in its latest steps, by their median time; None before there is one."""
    seconds = history.latest_seconds
    if not seconds:
        return None
    config = GPTConfig(**history.about["config"])
    batch_size = history.about["plan"]["schedule"]["batch_size"]
    return _step_flops(config, history.about["distinct_tokens"], batch_size) / median(seconds)


def _step_flops(config: GPTConfig, distinct_tokens: int, batch_size: int) -> int:
    """Of the model as it is trained: its softmax has the tokens of the text, and one for all others."""
    in_training = replace(config, vocab_size=min(distinct_tokens + 1, N_COMMON + N_SAMPLED))
    return count_flops(in_training, batch_size, config.context_length).training

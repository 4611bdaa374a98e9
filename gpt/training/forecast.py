"""What a training would take, before it begins: from its texts, its model and its plan, without making a weight."""

import argparse
from dataclasses import dataclass, replace
from statistics import median

from ..config import GPTConfig
from ..estimates.budget import count_parameters
from ..estimates.flops import count_flops
from ..tokenizer import Tokenizer
from .held_out_windows import tokens_scored
from .life import Life
from .training_job import outline
from .vocabulary import N_COMMON, N_SAMPLED


@dataclass(frozen=True)
class Forecast:
    """What is to be learned, the size of the model, and what the steps take."""

    tokens: int
    distinct_tokens: int
    held_out_tokens: int
    steps: int
    tokens_in_step: int
    parameters: int
    step_bytes: int
    step_flops: int


def forecast(options: argparse.Namespace) -> Forecast:
    """For the options of the command line. Raises ValueError, with one sentence, for what cannot be trained."""
    asked = outline(options, Tokenizer())
    config, schedule, distinct = asked.config, asked.plan.schedule, len(asked.ids.unique())
    return Forecast(
        tokens=len(asked.ids),
        distinct_tokens=distinct,
        held_out_tokens=tokens_scored(len(asked.held_out), config.context_length),
        steps=schedule.steps,
        tokens_in_step=schedule.batch_size * config.context_length,
        parameters=count_parameters(config).total,
        step_bytes=asked.step_bytes(schedule.batch_size),
        step_flops=_step_flops(config, distinct, schedule.batch_size),
    )


def flops_per_second(life: Life) -> float | None:
    """The rate that a training reached in its latest steps, by their median time; None before there is one."""
    seconds = life.latest_seconds
    if not seconds:
        return None
    config = GPTConfig(**life.about["config"])
    batch_size = life.about["plan"]["schedule"]["batch_size"]
    return _step_flops(config, life.about["distinct_tokens"], batch_size) / median(seconds)


def _step_flops(config: GPTConfig, distinct_tokens: int, batch_size: int) -> int:
    """Of the model as it is trained: its softmax has the tokens of the text, and one for all others."""
    in_training = replace(config, vocab_size=min(distinct_tokens + 1, N_COMMON + N_SAMPLED))
    return count_flops(in_training, batch_size, config.context_length).training

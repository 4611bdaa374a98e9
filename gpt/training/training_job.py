"""What a training was asked for, put together and checked: texts, model, plan and folder.

Raises ValueError or WeightsError, with one sentence, before anything is trained or written.
"""

import argparse
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from ..config import GPTConfig
from ..estimates.budget import estimate_memory
from ..estimates.machine import free_memory_bytes
from ..files.weights import load_model
from ..model import GPTModel
from ..tokenizer import END_OF_TEXT, AnyTokenizer, Tokenizer, tokenizer_of
from .bigrams import bigram_loss
from .command_options import model_fields
from .held_out_windows import check_can_be_scored, tokens_scored
from .output_folder import OutputFolder
from .parallel_processes import Processes
from .schedule import N_POINTS, Plan, Schedule
from .stories import is_bundled, surprises
from .suited_sizes import SIZE, suited
from .training_state import Training, check_seed
from .training_texts import divide, read_ids
from .vocabulary import N_COMMON, N_SAMPLED

PROMPT_WORDS = 6
# Measured on short runs of small models; the book's own rate for AdamW is 0.0004 (chapter 5).
_RATES = {"muon": 6e-3, "adamw": 1e-3}
_WEIGHT_DECAYS = {"muon": 0.05, "adamw": 0.1}

# The settings of a model in which the trainer differs from GPTConfig where nothing is asked for.
UNASKED: dict[str, Any] = {"drop_rate": 0.0, "qkv_bias": True, "tied_head": True}


@dataclass(frozen=True)
class Job:
    """A training that can begin."""

    training: Training
    plan: Plan
    held_out: Tensor
    folder: OutputFolder
    text_name: str
    held_out_name: str  # the file of the held-out text, "" for the end of the text
    start_name: str  # the model it goes on from, "" for random weights
    prompt: str
    keep_steps: int
    most_steps: int | None  # to take now, None for all that are left
    bigram_loss: float  # of the held-out text, nats per token, by counting pairs in the text
    floor: float | None  # the least loss that is possible on it, where that is known


@dataclass(frozen=True)
class Outline:
    """The texts, the model and the plan of a training, before any weight is made."""

    ids: Tensor  # (t,) trained on
    held_out: Tensor  # (t,) measured by
    config: GPTConfig
    plan: Plan

    @property
    def in_training(self) -> GPTConfig:
        """The model as it is trained: with rows for the tokens of the text, and one for all others."""
        vocabulary = min(len(self.ids), N_COMMON + N_SAMPLED, self.config.vocab_size)
        return replace(self.config, vocab_size=vocabulary)

    @property
    def n_scored(self) -> int:
        """How many of the held-out tokens are measured by."""
        return tokens_scored(len(self.held_out), self.config.context_length)

    @property
    def pair_loss(self) -> float:
        """Of the held-out text, nats per token, by counting pairs in the text that is trained on."""
        return bigram_loss(self.ids, self.held_out, self.n_scored, self.config.vocab_size)

    def step_bytes(self, batch_size: int) -> int:
        """About what a step with so many windows takes in memory."""
        length = self.config.context_length
        return estimate_memory(self.in_training, batch_size=batch_size, seq_len=length, mode="training").total


def outline(options: argparse.Namespace, reader: AnyTokenizer, start: GPTModel | None = None) -> Outline:
    """What the options of the command line ask for; reader cuts the text. Raises ValueError for impossible ones."""
    check_seed(options.seed)
    ids = read_ids(options.text, reader)
    config = _config(options, len(ids), start)
    held_out = None if options.held_out is None else read_ids(options.held_out, reader)
    ids, held_out = _divided(ids, held_out, config.context_length)
    return Outline(ids, held_out, config, _plan(options, len(ids), config.context_length))


def prepare(options: argparse.Namespace, device: torch.device, processes: Processes) -> Job:
    """The training that the options of the command line describe, from its checkpoint if there is one."""
    folder = OutputFolder(options.out)
    if processes.is_first:
        folder.check_usable()
    if options.keep_steps < 0:
        raise ValueError(f"--keep-steps is {options.keep_steps}: choose a number of 0 or more.")
    if options.at_most is not None and options.at_most < 1:
        raise ValueError(f"--at-most is {options.at_most}: choose a number of steps, 1 or more.")
    start = None if options.start is None else load_model(options.start)
    reader = Tokenizer() if start is None else tokenizer_of(start)
    asked = outline(options, reader, start)
    ids, held_out, config, plan = asked.ids, asked.held_out, asked.config, asked.plan
    check_shared_evenly(plan.schedule.batch_size, processes)
    check_memory(asked.step_bytes(plan.schedule.batch_size // processes.count), device)
    training = Training(config, ids, options.seed, options.optimizer, start, device, processes)
    if processes.from_first(folder.checkpoint.exists()):
        training.load(folder.checkpoint)
        training.check_comparable(held_out)
    prompt = options.prompt or first_words(reader.decode(held_out[:1000].tolist()))
    if not reader.encode(prompt, special=True):
        raise ValueError("There is nothing to continue in the held-out text: give a --prompt, or another text.")
    return Job(
        training=training,
        plan=plan,
        held_out=held_out,
        folder=folder,
        text_name=options.text.name,
        held_out_name="" if options.held_out is None else options.held_out.name,
        start_name=options.start or "",
        prompt=prompt,
        keep_steps=options.keep_steps,
        most_steps=options.at_most,
        bigram_loss=asked.pair_loss,
        floor=least_loss(options, asked) if start is None else None,
    )


def check_device(name: str) -> torch.device:
    """The device to train on. Raises ValueError for one that torch does not have here."""
    usable = ["cpu"]
    usable += ["cuda"] if torch.cuda.is_available() else []
    usable += ["mps"] if torch.backends.mps.is_available() else []
    if name.partition(":")[0] not in usable:
        raise ValueError(f"torch has no device {name!r} here: choose {' or '.join(usable)}.")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except RuntimeError:
        raise ValueError(f"torch has no device {name!r} here: leave out the number, or choose a smaller one.") from None
    return device


def check_shared_evenly(batch_size: int, processes: Processes) -> None:
    """Raise ValueError when a batch cannot be divided into equal parts."""
    if batch_size % processes.count:
        raise ValueError(
            f"--batch-size is {batch_size} and {processes.count} processes share it: choose a multiple of "
            f"{processes.count}."
        )


def first_words(text: str) -> str:
    """The beginning of the first whole line of a text that has enough words, or of the whole text."""
    lines = text.replace(END_OF_TEXT, "\n").splitlines()
    words = next((words for line in lines[1:] if len(words := line.split()) >= PROMPT_WORDS), None)
    return " ".join((words or " ".join(lines).split())[:PROMPT_WORDS])


def _config(options: argparse.Namespace, n_tokens: int, start: GPTModel | None) -> GPTConfig:
    chosen = {name: value for name in model_fields() if (value := getattr(options, name)) is not None}
    if start is not None:
        other = {name for name in chosen if not name.startswith("drop_rate") and chosen[name] != _of(start, name)}
        if other:
            raise ValueError(
                f"--from takes the model as it is, with {_list(start, other)}: leave out what would change that."
            )
        rates = {name: None for name in model_fields() if name.startswith("drop_rate_")}
        return replace(start.config, **{"drop_rate": 0.0, **rates, **chosen})
    fitting = suited(n_tokens)
    sizes = {name: getattr(fitting, name) for name in SIZE}
    return GPTConfig(**{**sizes, **UNASKED, **chosen})


def _of(start: GPTModel, name: str) -> Any:
    return getattr(start.config, name)


def _list(start: GPTModel, names: set[str]) -> str:
    return ", ".join(f"{name} {_of(start, name)}" for name in sorted(names))


def least_loss(options: argparse.Namespace, asked: Outline) -> float | None:
    """The mean surprise of the scored tokens, where they are the end of the bundled text; else None: nobody knows."""
    if options.held_out is not None or not is_bundled(options.text):
        return None
    return sum(surprises(options.text.read_text(encoding="utf-8"))[-asked.n_scored :]) / asked.n_scored


def _divided(ids: Tensor, held_out: Tensor | None, context_length: int) -> tuple[Tensor, Tensor]:
    """The ids to train on and those to measure by."""
    if held_out is None:
        return divide(ids, context_length)
    check_can_be_scored(len(held_out), context_length)
    return ids, held_out


def _plan(options: argparse.Namespace, n_tokens: int, context_length: int) -> Plan:
    fitting = suited(n_tokens)
    batch_size = _given(options.batch_size, fitting.batch_size)
    # A batch of none is refused by the schedule; until then it counts as one.
    steps = _given(options.steps, fitting.steps(n_tokens, context_length, max(1, batch_size)))
    if not (isfinite(options.warmup) and 0 <= options.warmup <= 1):
        raise ValueError(f"--warmup is {options.warmup}: it is a share of the steps, from 0 to 1, such as 0.05.")
    schedule = Schedule(
        steps=steps,
        cooldown_steps=_given(options.cooldown_steps, steps // 3),
        batch_size=batch_size,
        peak_rate=_given(options.rate, _RATES[options.optimizer]),
        warmup_steps=round(options.warmup * steps),
        weight_decay=_given(options.weight_decay, _WEIGHT_DECAYS[options.optimizer]),
    )
    return Plan(schedule, _given(options.evaluate_every, max(1, round(steps / N_POINTS))), options.patience)


def _given(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def check_memory(needed: int, device: torch.device) -> None:
    """Raise ValueError when a step that takes so many bytes would not fit in this machine's memory."""
    free = free_memory_bytes()
    if device.type != "cpu" or free is None:
        return
    if needed > free:
        raise ValueError(
            f"A step of this training takes about {needed / 2**30:,.1f} GiB and {free / 2**30:,.1f} GiB are free: "
            f"choose a smaller model, batch or context."
        )

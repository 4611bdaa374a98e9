"""One run of a training: what is shown, logged and kept on the way, and the model and card at its end."""

import time
from collections.abc import Mapping
from math import isfinite
from threading import Event
from typing import Any

from ..estimates.budget import count_parameters
from ..files.weights import load_model, save_model
from ..generation import generate
from ..model import GPTModel
from ..tokenizer import END_OF_TEXT, END_OF_TEXT_ID, Tokenizer, tokenizer_of
from .evaluation import heldout_loss
from .held_out_windows import tokens_scored
from .model_card import model_card
from .output_folder import steps_to_keep
from .stories import accepted_sentences
from .training_job import Job
from .training_log import RecordFile
from .training_progress import Progress
from .training_steps import Record, train

SECONDS_BETWEEN_CHECKPOINTS = 50
SAMPLE_TOKENS = 40
N_STORIES, MOST_STORY_TOKENS = 10, 70


class Diverged(Exception):
    """The loss is no longer a finite number; the text of the exception is one sentence."""


def run(job: Job, stop: Event, progress: Progress) -> None:
    """Train to the end, or to the end of the step in which `stop` is set, and leave a checkpoint.

    Where steps are kept, the step at which the training is paused is kept too, until the training goes on.

    In a group of processes all run it; the first one alone shows, logs and keeps. Raises Diverged, and leaves the
    checkpoint as it is, where a loss is no number.
    """
    training, steps = job.training, job.plan.schedule.steps
    if not training.processes.is_first:
        for _ in train(training, job.plan, job.held_out, stop):
            raise AssertionError("only the first process has records")
        return
    log = RecordFile(job.folder.records, about(job), training.steps_done, steps)
    kept_steps = steps_to_keep(steps, job.keep_steps)
    saved = time.monotonic()
    first = training.steps_done
    job.folder.drop_passing()
    for record in train(training, job.plan, job.held_out, stop):
        _check_finite(record, job.plan.schedule.peak_rate)
        progress.show(record)
        seen = {} if record.heldout_loss is None else _look_at(job)
        if seen:
            progress.say(_point(record, seen))
            progress.say(f"  {job.prompt}{' / '.join(seen['sample'].splitlines())}")
        log.add(record, seen)
        if job.most_steps is not None and record.step - first >= job.most_steps:
            stop.set()
        if record.step in kept_steps:
            _keep(job)
        if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
            training.save(job.folder.checkpoint)
            saved = time.monotonic()
    log.close()
    training.save(job.folder.checkpoint)
    if job.keep_steps and training.steps_done not in job.folder.kept_steps():
        _keep(job)
        job.folder.mark_as_passing(training.steps_done)


def _keep(job: Job) -> None:
    save_model(job.training.whole_model().bfloat16(), job.folder.kept_step(job.training.steps_done))


def _check_finite(record: Record, peak_rate: float) -> None:
    for loss in (record.loss, record.heldout_loss):
        if loss is not None and not isfinite(loss):
            raise Diverged(
                f"The loss after step {record.step} is {loss}: the weights have grown beyond all numbers. Train again "
                f"with a lower rate than {peak_rate:g}."
            )


def finish(job: Job) -> float:
    """Write the best model and its card; returns its held-out loss as it was saved, nats per token."""
    training, folder = job.training, job.folder
    assert training.best is not None
    save_model(training.whole_model(training.best["weights"]).bfloat16(), folder.path)
    model = load_model(folder.path)
    card = model_card(model, folder.path.resolve().name, training, job.text_name, job.start_name, job.held_out)
    folder.card.write_text(card, encoding="utf-8")
    training.written_at = training.steps_done
    training.save(folder.checkpoint)
    return heldout_loss(model, job.held_out)


def about(job: Job) -> dict[str, Any]:
    """The head of the log: what is trained on what, and how."""
    training, config = job.training, job.training.config
    return {
        "text": job.text_name,
        "tokens": len(training.windows.numbers),
        "distinct_tokens": len(training.vocabulary.ids),
        "held_out": job.held_out_name,
        "held_out_tokens": tokens_scored(len(job.held_out), config.context_length),
        "prompt": job.prompt,
        "start": job.start_name,
        "seed": training.seed,
        "optimizer": training.optimizer_name,
        "config": vars(config),
        "plan": {**vars(job.plan), "schedule": vars(job.plan.schedule)},
        "parameters": count_parameters(config).total,
        "bigram_loss": job.bigram_loss,
        "floor": job.floor,
    }


def _point(record: Record, seen: Mapping[str, Any]) -> str:
    best = " (best so far)" if record.is_best else ""
    accepted = f", {seen['accepted']} of {seen['sentences']} sentences in the grammar" if "accepted" in seen else ""
    return f"step {record.step}: held-out loss {record.heldout_loss:.4f}{best}{accepted}"


def _look_at(job: Job) -> dict[str, Any]:
    """What the model of this moment writes after the prompt, with the training's seed.

    Where the text is of the stories' grammar, also how many sentences of stories of its own that accepts.
    """
    model = job.training.whole_model()
    reader, seed = tokenizer_of(model), job.training.seed
    steps = generate(model, reader.encode(job.prompt, special=True), SAMPLE_TOKENS, seed=seed)
    seen: dict[str, Any] = {"sample": reader.decode([step.token_id for step in steps])}
    if job.floor is not None:
        found = accepted_sentences(own_stories(model, seed))
        seen |= {"accepted": found.sentences, "sentences": found.of}
    return seen


def own_stories(model: GPTModel, seed: int) -> str:
    """N_STORIES stories as a model of the bundled text draws them, each after the mark that begins one."""
    text = ""
    for number in range(N_STORIES):
        steps = generate(model, [END_OF_TEXT_ID], MOST_STORY_TOKENS, 1.0, 0, seed=seed + number, stop_id=END_OF_TEXT_ID)
        text += Tokenizer().decode([step.token_id for step in steps]) + END_OF_TEXT
    return text

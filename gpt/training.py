"""Train a small GPTModel on a text file, on a CPU, in steps that can be broken off and taken up again.

`python -m gpt.training TEXT --out FOLDER` writes a model that load_model and transformers open, and a model card.
"""

import argparse
import hashlib
import os
import signal
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .config import GPTConfig
from .evaluation import heldout_loss
from .model import GPTModel
from .model_card import model_card
from .optimizers import make_optimizers
from .tokenizer import Tokenizer
from .vocabulary import TextVocabulary
from .weights import load_model, save_model

SECONDS_BETWEEN_CHECKPOINTS = 50
SECONDS_BETWEEN_REPORTS = 10
STEPS_BETWEEN_EVALUATIONS = 1000
HELD_OUT_SHARE = 50  # without a text of its own, the held-out loss is measured on the last fiftieth
# AdamW's rate in parts of Muon's: a step of both then changes embeddings and matrices by about the same share.
ADAMW_SHARE = 1 / 2
_PARTS = ("model", "muon", "adamw")
_COUNTERS = ("steps_done", "windows_done", "recent_loss")


@dataclass(frozen=True)
class Schedule:
    """How far to train and how fast: the rate warms up, stays, and falls to zero over the last steps."""

    steps: int
    cooldown_steps: int
    batch_size: int = 16  # windows of the model's context in a step
    peak_rate: float = 6e-3
    warmup_steps: int = 100
    weight_decay: float = 0.05

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warmed = (step + 1) / (self.warmup_steps + 1)
        left = (self.steps - step) / (self.cooldown_steps + 1)
        return self.peak_rate * min(1.0, warmed, left)


class Training:
    """Everything that changes while a model trains; a checkpoint is exactly this."""

    def __init__(self, config: GPTConfig, token_ids: Tensor, seed: int) -> None:
        if len(token_ids) <= config.context_length:
            raise ValueError(
                f"The text has {len(token_ids)} tokens: a context of {config.context_length} needs at least "
                f"{config.context_length + 1}, so take a longer text or a shorter context."
            )
        self.config, self.seed = config, seed
        self.vocabulary = TextVocabulary.of(token_ids)
        self.numbers = self.vocabulary.number(token_ids)
        self.text_digest = hashlib.sha256(token_ids.numpy().tobytes()).hexdigest()
        torch.manual_seed(seed)
        self.model = GPTModel(GPTConfig(**{**asdict(config), "vocab_size": self.vocabulary.size}))
        init_weights(self.model)
        self.muon, self.adamw = make_optimizers(self.model)
        self.steps_done = 0
        self.windows_done = 0
        self.recent_loss = 0.0  # nats per token, a running mean over about 100 steps

    def step(self, schedule: Schedule) -> float:
        """One step of both optimizers; returns the loss of its batch, in nats per token."""
        # Seeded by its number, a step does the same whether or not the training was broken off before it.
        torch.manual_seed(self.seed * 1_000_003 + self.steps_done)
        windows = self._windows(schedule.batch_size)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = self.model.hidden(windows[:, :-1])
            targets = windows[:, 1:].flatten()
            loss = self.vocabulary.loss(hidden.flatten(0, 1), targets, self.model.tok_emb.weight)
        loss.backward()
        self.muon.param_groups[0]["weight_decay"] = schedule.weight_decay
        rate = schedule.rate(self.steps_done)
        for optimizer, own_rate in ((self.muon, rate), (self.adamw, rate * ADAMW_SHARE)):
            optimizer.param_groups[0]["lr"] = own_rate
            optimizer.step()
            optimizer.zero_grad()
        self.steps_done += 1
        self.windows_done += schedule.batch_size
        self.recent_loss += (loss.item() - self.recent_loss) / min(self.steps_done, 100)
        return loss.item()

    def heldout_loss(self, ids: Tensor) -> float:
        """The loss on a text the model does not train on, in nats per token, over GPT-2's whole vocabulary."""
        return heldout_loss(self.vocabulary.expand(self.model), ids)

    def _windows(self, n: int) -> Tensor:
        """The next n windows (n, context + 1): every pass cuts the text at other places and shuffles the pieces."""
        context = self.config.context_length
        in_pass = max(1, (len(self.numbers) - context) // context)
        wanted = torch.arange(self.windows_done, self.windows_done + n)
        starts = torch.empty(n, dtype=torch.int64)
        for text_pass in (wanted // in_pass).unique().tolist():
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + text_pass)
            spare = len(self.numbers) - 1 - in_pass * context
            offset = torch.randint(spare + 1, (), generator=generator)
            order = torch.randperm(in_pass, generator=generator)
            now = wanted // in_pass == text_pass
            starts[now] = offset + context * order[wanted[now] % in_pass]
        return self.numbers[starts[:, None] + torch.arange(context + 1)]

    def save(self, path: Path) -> None:
        """Write the checkpoint; a kill while writing leaves the one before it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        torch.save(self._identity() | self._state(), unfinished)
        os.replace(unfinished, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. Raises ValueError if it is of another text, model or seed."""
        saved = torch.load(path, weights_only=True)
        for name, value in self._identity().items():
            if saved[name] != value:
                raise ValueError(
                    f"The checkpoint {path} has {name} {saved[name]}, this training has {value}: "
                    f"choose another folder, or delete the checkpoint to start again."
                )
        for name in _PARTS:
            getattr(self, name).load_state_dict(saved[name])
        for name in _COUNTERS:
            setattr(self, name, saved[name])

    def _identity(self) -> dict[str, Any]:
        return {"config": asdict(self.config), "seed": self.seed, "text_digest": self.text_digest}

    def _state(self) -> dict[str, Any]:
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        return parts | {name: getattr(self, name) for name in _COUNTERS}


def init_weights(model: GPTModel) -> None:
    """GPT-2's initial weights (Radford et al. 2019, section 2.3): 0.02, and less where a block ends in a shortcut."""
    for name, parameter in model.named_parameters():
        if name.endswith(("out_proj.weight", "layers.2.weight")):
            nn.init.normal_(parameter, std=0.02 / (2 * model.config.n_layers) ** 0.5)
        elif parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.02)
        elif not name.endswith("scale"):
            nn.init.zeros_(parameter)


def run(training: Training, schedule: Schedule, checkpoint: Path, held_out: Tensor) -> None:
    """Train to the end of the schedule, or to the end of the step in which Ctrl-C or a polite kill arrives.

    Leaves a checkpoint, one every SECONDS_BETWEEN_CHECKPOINTS before, and a line of progress every few seconds.
    """
    stop = _wait_for_signals()
    losses: list[float] = []
    saved = reported = time.monotonic()
    while training.steps_done < schedule.steps and not stop.is_set():
        losses.append(training.step(schedule))
        now = time.monotonic()
        if now - saved > SECONDS_BETWEEN_CHECKPOINTS:
            training.save(checkpoint)
            saved = now
        if now - reported > SECONDS_BETWEEN_REPORTS:
            print(_progress(training, schedule, losses, now - reported), flush=True)
            reported, losses = now, []
        if training.steps_done % STEPS_BETWEEN_EVALUATIONS == 0:
            print(f"step {training.steps_done}: held-out loss {training.heldout_loss(held_out):.4f}", flush=True)
            reported, losses = time.monotonic(), []
    training.save(checkpoint)


def _wait_for_signals() -> threading.Event:
    """An event that Ctrl-C and SIGTERM set: an exception in the middle of a step would leave half of it done."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _progress(training: Training, schedule: Schedule, losses: list[float], seconds: float) -> str:
    speed = len(losses) * schedule.batch_size * training.config.context_length / seconds
    left = (schedule.steps - training.steps_done) * seconds / len(losses)
    return (
        f"step {training.steps_done} of {schedule.steps}: loss {sum(losses) / len(losses):.3f}, "
        f"{speed:,.0f} tokens/s, {left / 60:.0f} minutes left"
    )


def main(arguments: list[str] | None = None) -> None:
    """The command line; run again with the same arguments it goes on where it was."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        config = GPTConfig(
            context_length=options.context,
            emb_dim=options.emb_dim,
            n_heads=options.heads,
            n_layers=options.layers,
            drop_rate=0.0,
            qkv_bias=True,
            tied_head=True,
        )
        text, held_out = _texts(options.text, options.held_out, config.context_length)
        training = Training(config, text, options.seed)
        checkpoint = options.out / ".checkpoints" / "last.pt"
        if checkpoint.exists():
            training.load(checkpoint)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    cooldown_steps = options.steps // 3 if options.cooldown_steps is None else options.cooldown_steps
    schedule = Schedule(options.steps, cooldown_steps, options.batch_size, options.rate)
    run(training, schedule, checkpoint, held_out)
    if training.steps_done < schedule.steps:
        print(f"Stopped after step {training.steps_done}: run the same command again to go on.")
        return
    save_model(training.vocabulary.expand(training.model).bfloat16(), options.out)
    facts = _facts(options.text.name, training, schedule)
    card = model_card(load_model(options.out), options.out.resolve().name, facts, held_out)
    (options.out / "README.md").write_text(card, encoding="utf-8")


def _facts(text_name: str, training: Training, schedule: Schedule) -> dict[str, str]:
    """The rows of the model card that only the training knows."""
    tokens = training.windows_done * training.config.context_length
    sizes = {name: value for name, value in asdict(training.config).items() if name != "drop_rate"}
    return {
        "trained on": f"{text_name}, {len(training.numbers):,} tokens, {len(training.vocabulary.ids):,} different ones",
        "tokens seen": f"{tokens:,}, that is {tokens / len(training.numbers):.2f} passes",
        "training loss": f"{training.recent_loss:.3f} nats per token, estimated over the last steps",
        "model": ", ".join(f"{name} {value}" for name, value in sizes.items()) + ", stored in bfloat16",
        "training": ", ".join(f"{name} {value}" for name, value in asdict(schedule).items()),
        "seed": str(training.seed),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gpt.training",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("text", type=Path, help="a UTF-8 text file; <|endoftext|> separates documents")
    add("--out", type=Path, required=True, help="the folder for the model and its checkpoint")
    add("--held-out", type=Path, help="a text to measure by; without one, the last part of the text is kept back")
    add("--steps", type=int, default=1000, help="how many steps in all; more than before goes on training")
    add("--cooldown-steps", type=int, help="over how many of the last steps the rate falls; a third of them if not set")
    add("--batch-size", type=int, default=Schedule.batch_size, help="windows of the context's length in a step")
    add("--rate", type=float, default=Schedule.peak_rate, help="the highest learning rate")
    add("--emb-dim", type=int, default=256, help="width of the model")
    add("--layers", type=int, default=8, help="number of transformer blocks")
    add("--heads", type=int, default=4, help="attention heads in a block")
    add("--context", type=int, default=256, help="tokens the model can look back on")
    add("--seed", type=int, default=123, help="decides the initial weights, the order of the text and the samples")
    return parser


def _texts(text: Path, held_out: Path | None, context: int) -> tuple[Tensor, Tensor]:
    """The ids to train on and those to measure by."""
    ids = _read_ids(text)
    if held_out is not None:
        return ids, _read_ids(held_out)
    n_held_out = max(len(ids) // HELD_OUT_SHARE, context + 1)
    return ids[:-n_held_out], ids[-n_held_out:]


def _read_ids(path: Path) -> Tensor:
    return torch.tensor(Tokenizer().encode(path.read_text(encoding="utf-8"), special=True))


if __name__ == "__main__":
    main()

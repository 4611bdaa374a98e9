"""The row of the trainer: its held-out loss beside that of a plain AdamW loop that learns for the same seconds.

The loop is written from torch alone, over the whole vocabulary, and has the best of three rates.
"""

import sys
import time

import torch
from arena import ROOT
from result import Finding, Outcome, Plan, Series
from torch import Tensor
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(ROOT))

from gpt.config import GPTConfig
from gpt.model import GPTModel
from gpt.seeding import init_weights
from gpt.tokenizer import Tokenizer
from gpt.training.evaluation import heldout_loss
from gpt.training.schedule import Schedule
from gpt.training.stories import PATH as STORIES
from gpt.training.suited_sizes import SMALLEST
from gpt.training.training_state import Training
from gpt.training.training_texts import divide, read_ids

_STEPS = (100, 400)
_RATES = (4e-4, 1e-3, 3e-3)  # the first is the book's (chapter 5)
_PEAK_RATE, _SEED = 6e-3, 123


def learning(plan: Plan) -> Outcome:
    """At several lengths: the trainer takes its steps, and the loop has the seconds that they took."""
    sizes = dict(SMALLEST)
    batch_size = sizes.pop("batch_size")
    del sizes["steps"]
    config = GPTConfig(**sizes, drop_rate=0.0, qkv_bias=True, tied_head=True)
    ids, held_out = divide(read_ids(STORIES, Tokenizer()), config.context_length)
    outcome = Outcome()
    for steps in _STEPS:
        losses: dict[str, list[float]] = {"ours": [], "plain AdamW": []}
        for _ in range(min(plan.rounds, 3)):
            seconds, loss = _ours(config, ids, held_out, steps, batch_size)
            losses["ours"].append(loss)
            losses["plain AdamW"].append(
                min(_plain(config, ids, held_out, rate, batch_size, seconds) for rate in _RATES)
            )
        ours, plain = (Series(f"{name}, {steps} steps' time", "nats", values) for name, values in losses.items())
        outcome.series += [ours, plain]
        what = f"held-out loss less that of plain AdamW, {steps} steps' time"
        outcome.findings.append(Finding(what, 0.0, False, "nats", ours.median - plain.median))
    return outcome


def _ours(config: GPTConfig, ids: Tensor, held_out: Tensor, steps: int, batch_size: int) -> tuple[float, float]:
    """Seconds that the steps took, and the held-out loss after them."""
    training = Training(config, ids, _SEED, "muon")
    schedule = Schedule(steps, steps // 3, batch_size, _PEAK_RATE, warmup_steps=steps // 20)
    started = time.perf_counter()
    for _ in range(steps):
        training.step(schedule)
    return time.perf_counter() - started, heldout_loss(training.whole_model().eval(), held_out)


def _plain(config: GPTConfig, ids: Tensor, held_out: Tensor, rate: float, batch_size: int, seconds: float) -> float:
    """The held-out loss of the loop after so many seconds."""
    torch.manual_seed(_SEED)
    model = GPTModel(config)
    init_weights(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.1)
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        places = torch.randint(len(ids) - config.context_length, (batch_size,))
        windows = torch.stack([ids[place : place + config.context_length + 1] for place in places])
        loss = cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return heldout_loss(model.eval(), held_out)

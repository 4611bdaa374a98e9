"""Everything that changes while a model trains: weights, optimizers, counters, and the best weights so far.

A step's result depends on this, the text and the settings alone, so a training can be broken off and resumed.
"""

import hashlib
import os
import time
from collections import deque
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..config import GPTConfig
from ..model import GPTModel
from ..seeding import init_weights
from ..tokenizer import Tokenizer
from .evaluation import last_logits, mean_loss
from .optimizers import make_optimizers, set_step_size
from .parallel_processes import ALONE, Processes
from .schedule import Schedule
from .text_windows import TextWindows
from .vocabulary import TextVocabulary

N_LAST_LOSSES = 100  # steps over which the training loss is averaged
LARGEST_SEED = 2**32 - 1  # torch's generator takes 32 bits
# Measured on a Zen 4: at 64 and 128 features the conversions cost what the products save, at 256 a fifth is saved.
_LEAST_WIDTH_FOR_BFLOAT16 = 256
_COUNTERS = ("steps_done", "windows_done", "points", "best", "history", "written_at")


@dataclass(frozen=True)
class StepResult:
    """One step of the optimizers: loss of its batch (nats per token), rate, norm of all gradients, seconds."""

    loss: float
    rate: float
    gradient_norm: float
    seconds: float


class Training:
    """One training of one model on one text; a checkpoint is exactly what changes in it.

    `best` is None before the first held-out point, then a dictionary of step, heldout_loss, training_loss,
    windows_done and weights. `points` are pairs of step and held-out loss. `history` holds the settings of each step:
    dictionaries of a schedule's fields, and the step from which on they held.
    """

    def __init__(
        self,
        config: GPTConfig,
        token_ids: Tensor,
        seed: int,
        optimizer: str = "muon",
        start: GPTModel | None = None,
        device: torch.device | str = "cpu",
        processes: Processes = ALONE,
    ) -> None:
        """Weights are drawn from the seed, or taken from `start`, a model of this config.

        token_ids (t,) are of GPT-2's tokenizer, or of the one that start brings.
        """
        check_seed(seed)
        self.config, self.seed, self.optimizer_name, self.processes = config, seed, optimizer, processes
        self.device = torch.device(device)
        self.tokenizer = Tokenizer() if start is None else start.tokenizer
        self.vocabulary = (
            TextVocabulary.of(token_ids)
            if start is None
            else TextVocabulary.for_weights(token_ids, start.tok_emb.weight)
        )
        self.windows = TextWindows(self.vocabulary.number(token_ids), config.context_length, seed)
        self.text_digest = _digest([token_ids])
        torch.manual_seed(seed)
        self.model = GPTModel(replace(config, vocab_size=self.vocabulary.size))
        if start is None:
            init_weights(self.model)
        else:
            state = {name: value.float() for name, value in start.state_dict().items()}
            self.model.load_state_dict(self.vocabulary.restrict(state))
        self.start_digest = "" if start is None else _digest(self.model.state_dict().values())
        self.model.to(self.device)
        self.optimizers = make_optimizers(self.model, optimizer)
        self._loss = processes.averaging(_Loss(self.model, self.vocabulary))
        self.steps_done = 0
        self.windows_done = 0
        self.last_losses: deque[float] = deque(maxlen=N_LAST_LOSSES)
        self.points: list[tuple[int, float]] = []
        self.best: dict[str, Any] | None = None
        self.history: list[dict[str, Any]] = []
        self.measured_by: str | None = None  # digest of the held-out text of the points
        self.written_at: int | None = None  # after how many steps the finished model was written

    @property
    def tokens_seen(self) -> int:
        """How many tokens have been asked for, over all passes."""
        return self.windows_done * self.config.context_length

    @property
    def training_loss(self) -> float:
        """Mean loss of the last N_LAST_LOSSES steps, each measured on its batch before the step, with dropout."""
        return sum(self.last_losses) / len(self.last_losses)

    @property
    def points_since_best(self) -> int:
        """How many held-out points in a row have not been better than the best one."""
        return 0 if self.best is None else sum(step > self.best["step"] for step, _ in self.points)

    def step(self, schedule: Schedule) -> StepResult:
        """One step of the optimizers on the next batch."""
        started = time.perf_counter()
        # Seeded by its number, a step does the same whether or not the training was broken off before it.
        seed = self.seed * 1_000_003 + self.steps_done
        # Every process drops other features, but all of them take the same tokens for the others' share of the softmax.
        torch.manual_seed(seed + 500_009 * self.processes.rank)
        batch = self.windows.read(self.windows_done, schedule.batch_size)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=multiplies_in_bfloat16(self.config, self.device)):
            loss = self._loss(self.processes.share(batch).to(self.device), torch.Generator().manual_seed(seed))
        loss.backward()
        rate = schedule.rate(self.steps_done)
        norm = nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None]).item()
        set_step_size(self.optimizers, rate, schedule.weight_decay)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self._remember(schedule)
        self.last_losses.append(self.processes.mean(loss.detach()))
        return StepResult(self.last_losses[-1], rate, norm, time.perf_counter() - started)

    def _remember(self, schedule: Schedule) -> None:
        settings = asdict(schedule)
        if not self.history or {**self.history[-1], "first_step": 0} != {**settings, "first_step": 0}:
            self.history.append({**settings, "first_step": self.steps_done})
        self.steps_done += 1
        self.windows_done += schedule.batch_size

    def measure(self, held_out: Tensor) -> float:
        """The held-out loss now; it becomes a point, and the weights the best ones if it is the lowest so far."""
        loss = self.heldout_loss(held_out)
        self.measured_by = _digest([held_out])
        self.points.append((self.steps_done, loss))
        if self.best is None or loss < self.best["heldout_loss"]:
            self.best = {
                "step": self.steps_done,
                "heldout_loss": loss,
                "training_loss": self.training_loss if self.last_losses else None,
                "windows_done": self.windows_done,
                "weights": {name: value.clone() for name, value in self.model.state_dict().items()},
            }
        return loss

    def heldout_loss(self, ids: Tensor) -> float:
        """The loss on a text the model does not train on, in nats per token, over the tokenizer's whole vocabulary."""

        def loss(window: Tensor, targets: Tensor) -> Tensor:
            logits = last_logits(self.model, window, len(targets))
            return self.vocabulary.exact_loss(logits, targets)

        self.model.eval()
        try:
            return mean_loss(self.vocabulary.number(ids).to(self.device), self.config.context_length, loss)
        finally:
            self.model.train()

    def whole_model(self, weights: dict[str, Tensor] | None = None) -> GPTModel:
        """The model over the tokenizer's vocabulary, with the weights of this moment or with `best["weights"]`."""
        model = GPTModel(self.model.config)
        model.load_state_dict(weights or self.model.state_dict())
        whole = self.vocabulary.expand(model)
        whole.tokenizer = self.tokenizer
        return whole

    def save(self, path: Path) -> None:
        """Write the checkpoint to a temporary file, then rename it: a kill while writing leaves the one before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        torch.save(self._identity() | self._state(), unfinished)
        os.replace(unfinished, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the first process. Raises ValueError if it is of another training, or damaged."""
        saved = self.processes.from_first(_read(path) if self.processes.is_first else None)
        for name, value in self._identity().items():
            if saved.get(name) != value:
                raise ValueError(
                    f"The checkpoint {path} has {name} {saved.get(name)}, this training has {value}: choose another "
                    f"folder, or delete this one to start again."
                )
        self.model.load_state_dict(saved["model"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.last_losses.extend(saved["last_losses"])
        for name in _COUNTERS:
            setattr(self, name, saved[name])
        self.measured_by = saved.get("measured_by")  # checkpoints that are older do not say

    def check_comparable(self, held_out: Tensor) -> None:
        """Raise ValueError for a held-out text that is not the one of the points so far: the best is one of them."""
        if self.measured_by not in (None, _digest([held_out])):
            raise ValueError(
                "The checkpoint's losses were measured on another held-out text: give that one, or choose another "
                "folder."
            )

    def _identity(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "seed": self.seed,
            "optimizer": self.optimizer_name,
            "text_digest": self.text_digest,
            "start_digest": self.start_digest,
        }

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "last_losses": list(self.last_losses),
            "measured_by": self.measured_by,
            **{name: getattr(self, name) for name in _COUNTERS},
        }


class _Loss(nn.Module):
    """Model and loss in one module: DistributedDataParallel averages the gradients of what one forward gives."""

    def __init__(self, model: GPTModel, vocabulary: TextVocabulary) -> None:
        super().__init__()
        self.model, self.vocabulary = model, vocabulary

    def forward(self, windows: Tensor, generator: torch.Generator) -> Tensor:  # (n, context + 1) -> ()
        hidden = self.model.hidden(windows[:, :-1]).flatten(0, 1)
        return self.vocabulary.loss(hidden, windows[:, 1:].flatten(), self.model.out_head.weight, generator)


def check_seed(seed: int) -> None:
    """Raise ValueError for a number that cannot be a seed."""
    if not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"The seed is {seed}: choose a whole number from 0 to {LARGEST_SEED:,}.")


def multiplies_in_bfloat16(config: GPTConfig, device: torch.device) -> bool:
    """Whether a step multiplies in bfloat16, half the bytes of float32: on GPUs, and on CPUs where it is faster."""
    if device.type != "cpu":
        return True
    return config.emb_dim >= _LEAST_WIDTH_FOR_BFLOAT16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _read(path: Path) -> dict[str, Any]:
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
        return saved if isinstance(saved, dict) else {}
    except Exception as error:
        raise ValueError(
            f"The checkpoint {path} cannot be read ({type(error).__name__}): delete its folder to start again."
        ) from error


def _digest(tensors: Any) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()

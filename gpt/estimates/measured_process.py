"""Builds a configuration for real and counts its tensors: weights, a forward pass, a training step.

`python -m gpt.estimates.measured_process` is the process that measurement.py starts. It takes settings as JSON and
prints lines of JSON.
"""

import json
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

from ..cache import KVCache
from ..config import GPTConfig
from ..model import GPTModel
from .machine import peak_resident_bytes
from .workload import Workload

Report = Callable[[str, float], None]  # what is being done, and which share of it is done

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "sgd_momentum": partial(torch.optim.SGD, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamw_mixed": torch.optim.AdamW,
}


@dataclass(frozen=True)
class Measurement:
    """Measured bytes, under the names of `MemoryEstimate`, and seconds.

    `peak` counts tensors. The two resident figures are of the whole process: before the model was built, and at most.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    kv_cache: int
    logits: int
    peak: int
    resident_start: int | None
    resident_peak: int | None
    forward_seconds: float
    step_seconds: float | None


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of every tensor made inside this context, until the tensor is freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it no types
        self.bytes = 0
        self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._watch(leaf.untyped_storage())
        return result

    def _watch(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            weakref.finalize(storage, self._forget, key, size)
            self.bytes += size
            self.peak = max(self.peak, self.bytes)

    def _forget(self, key: int, size: int) -> None:
        self._known.remove(key)
        self.bytes -= size


def run(config: GPTConfig, workload: Workload, report: Report) -> Measurement:
    """Measure one forward pass with a KV cache, or one training step after a first one that fills the optimizer."""
    resident_start = peak_resident_bytes()
    report("building the model", 0.0)
    with LiveTensors() as live:
        with _default_dtype(workload.dtype):
            model = GPTModel(config)
        weights = live.bytes
        measure = _forward if workload.mode == "inference" else _training_step
        found = measure(model, workload, live, report)
    return Measurement(weights=weights, resident_start=resident_start, resident_peak=peak_resident_bytes(), **found)


@torch.no_grad()
def _forward(model: GPTModel, workload: Workload, live: LiveTensors, report: Report) -> dict[str, Any]:
    model.eval()
    _report_blocks(model, report)
    before = live.bytes
    cache = KVCache(model.config, workload.seq_len, workload.batch_size, getattr(torch, workload.dtype))
    kv_cache = live.bytes - before
    ids = _random_ids(model.config, workload)
    ready = live.peak = live.bytes
    start = time.perf_counter()
    hidden = model.hidden(ids, cache)
    activations = live.peak - ready
    logits = model.out_head(hidden)
    return {
        "gradients": 0,
        "optimizer": 0,
        "activations": activations,
        "kv_cache": kv_cache,
        "logits": logits.untyped_storage().nbytes(),
        "peak": live.peak,
        "forward_seconds": time.perf_counter() - start,
        "step_seconds": None,
    }


def _training_step(model: GPTModel, workload: Workload, live: LiveTensors, report: Report) -> dict[str, Any]:
    before = live.bytes
    optimizer = _optimizer(model, workload.optimizer)
    _fill_optimizer(model, optimizer)
    state = live.bytes - before
    _recompute(model, workload.recompute)
    _report_blocks(model, report)
    _report_gradients(model, report)

    ready = live.peak = live.bytes
    start = time.perf_counter()
    ids = _random_ids(model.config, workload)
    hidden = model.hidden(ids)
    activations = live.bytes - ready
    fullest: list[int] = []
    loss = _loss(model, hidden, ids, at_logits=lambda _: fullest.append(live.peak))
    forward_seconds = time.perf_counter() - start
    del hidden
    loss.backward()
    del loss, ids
    gradients = live.bytes - ready
    report("optimizer step", 0.0)
    optimizer.step()
    return {
        "gradients": gradients,
        "optimizer": state,
        "activations": activations,
        "kv_cache": 0,
        "logits": fullest[0] - ready - activations,
        "peak": live.peak,
        "forward_seconds": forward_seconds,
        "step_seconds": time.perf_counter() - start,
    }


def _loss(
    model: GPTModel, hidden: Tensor, targets: Tensor, at_logits: Callable[[Tensor], None] | None = None
) -> Tensor:
    """Cross-entropy in float32. at_logits is called when the gradient of the logits has been computed."""
    logits = model.out_head(hidden).float()
    if at_logits is not None:
        logits.register_hook(at_logits)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def _optimizer(model: GPTModel, name: str) -> torch.optim.Optimizer:
    weights = list(model.parameters())
    if name == "adamw_mixed":
        weights = [_master_copy(weight) for weight in weights]
    return _OPTIMIZERS[name](weights, lr=1e-3)


def _master_copy(weight: nn.Parameter) -> nn.Parameter:
    """A float32 copy. Each gradient of the 16-bit weight is moved to the copy as soon as it is computed."""
    master = nn.Parameter(weight.detach().float())

    def take_over(weight: Tensor) -> None:
        assert weight.grad is not None
        master.grad, weight.grad = weight.grad.float(), None

    weight.register_post_accumulate_grad_hook(take_over)
    return master


def _fill_optimizer(model: GPTModel, optimizer: torch.optim.Optimizer) -> None:
    """Take a step with one token: an optimizer makes its state in its first step."""
    ids = _random_ids(model.config, Workload(seq_len=1))
    _loss(model, model.hidden(ids), ids).backward()
    optimizer.step()
    optimizer.zero_grad()


def _recompute(model: GPTModel, recompute: str) -> None:
    blocks: list[Any] = list(model.trf_blocks)
    for block in blocks:
        if recompute == "full":
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)
        elif recompute == "selective":
            block.att._mix = partial(checkpoint, block.att._mix, use_reentrant=False)


def _report_blocks(model: GPTModel, report: Report) -> None:
    for done, block in enumerate(model.trf_blocks, start=1):
        share = done / len(model.trf_blocks)
        block.register_forward_hook(lambda *_, share=share: report("forward pass", share))


def _report_gradients(model: GPTModel, report: Report) -> None:
    weights = list(model.parameters())
    arrived: list[None] = []

    def count(_: Tensor) -> None:
        arrived.append(None)
        report("backward pass", len(arrived) / len(weights))

    for weight in weights:
        weight.register_post_accumulate_grad_hook(count)


def _random_ids(config: GPTConfig, workload: Workload) -> Tensor:
    return torch.randint(config.vocab_size, (workload.batch_size, workload.seq_len))


@contextmanager
def _default_dtype(name: str) -> Iterator[None]:
    usual = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


def main() -> None:
    """Read {"config": …, "workload": …} from the command line; print progress, then {"result": …}."""
    settings = json.loads(sys.argv[1])
    if hasattr(os, "nice"):
        os.nice(10)  # the page has to keep answering
    with suppress(OSError):
        # If memory runs out, Linux should end this process and not the page.
        Path("/proc/self/oom_score_adj").write_text("1000")
    found = run(
        GPTConfig(**settings["config"]),
        Workload(**settings["workload"]),
        report=lambda stage, share: print(json.dumps({"stage": stage, "share": share}), flush=True),
    )
    print(json.dumps({"result": asdict(found)}), flush=True)


if __name__ == "__main__":
    main()

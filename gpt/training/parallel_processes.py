"""Several processes that train one model, each on its share of every batch, as `torchrun` starts them.

gloo carries the gradients between CPUs, nccl between GPUs. A process on its own needs none of it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Processes:
    """The group as one of its processes sees it; rank 0 is the one that measures, writes and prints."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that measures, writes and prints."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This process's equal part of the rows of a batch (n, ...), n a multiple of `count`."""
        return batch.chunk(self.count)[self.rank]

    def averaging(self, module: nn.Module) -> nn.Module:
        """The module, its weights those of the first process and its gradients the mean over all processes."""
        return module if self.count == 1 else DistributedDataParallel(module)

    def mean(self, value: Tensor) -> float:
        """The mean of a number () over all processes."""
        if self.count > 1:
            dist.all_reduce(value)
        return value.item() / self.count

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in one of the processes: they all have to take the same step, or none."""
        if self.count == 1:
            return flag
        flags: list[Any] = [None] * self.count
        dist.all_gather_object(flags, flag)
        return any(flags)

    def from_first(self, value: Any) -> Any:
        """The first process's value, in every process; what the others pass is ignored."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]


ALONE = Processes()


@contextmanager
def joined(device_type: str) -> Iterator[Processes]:
    """The group that torchrun has started, by the variables it has set; ALONE without them."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    if device_type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
        dist.barrier()  # a process that ended first would break the connections of those that still send
    finally:
        dist.destroy_process_group()

"""The chapter's torch.manual_seed(123) for a server with many visitors: one at a time, and put back after.

Random weights are drawn from torch's global generator, so two seeds must never be in use at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

_ONE_AT_A_TIME = Lock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's global generator starts from seed; outside, it is where it was."""
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield

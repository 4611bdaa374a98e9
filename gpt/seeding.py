"""Seeds for weights, as the chapter's torch.manual_seed(123), and for draws.

Random weights are drawn from torch's global generator, so two seeds must never be in use at once: one visitor at a
time has it, and it is put back after.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

import torch
from torch import nn

from .model import GPTModel

# torch's generator on a CPU takes so many values of a seed: 2^32 + 5 would be 5 again.
LARGEST_WEIGHT_SEED = 2**32 - 1
# Every whole number up to here is one in JavaScript and JSON too.
LARGEST_DRAW_SEED = 2**53 - 1

_ONE_AT_A_TIME = Lock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A context in which torch's global generator starts from seed. Afterwards its old state is restored."""
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def uniform_numbers(seed: int) -> Callable[[], float]:
    """A function that gives the next of a sequence of numbers in [0, 1), another sequence for every seed.

    seed is a whole number from 0 to LARGEST_DRAW_SEED. Up to LARGEST_WEIGHT_SEED the numbers are those of torch's
    generator; larger seeds would be cut off there, so Python's generator, which takes all of their bits, draws them.
    """
    if seed > LARGEST_WEIGHT_SEED:
        return random.Random(seed).random
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.rand((), dtype=torch.float64, generator=generator).item()


def init_weights(model: GPTModel) -> None:
    """GPT-2's initial weights (Radford et al. 2019, section 2.3): 0.02, and less where a block ends in a shortcut."""
    for name, parameter in model.named_parameters():
        if name.endswith(("out_proj.weight", "layers.2.weight")):
            nn.init.normal_(parameter, std=0.02 / (2 * model.config.n_layers) ** 0.5)
        elif parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.02)
        elif not name.endswith("scale"):
            nn.init.zeros_(parameter)

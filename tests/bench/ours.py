"""This project as a contestant, and what only it is asked: recording, a bare loop, several people at once.

Times are seconds since the request; every list of them has one entry for each new token.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from gpt import GPTModel, generate
from gpt.cache import KVCache
from gpt.generation import Step
from gpt.one_token import one_token_reader
from gpt.sampling import Sampling, keep, pick

SEED = 123


class Ours:
    """A loaded model behind the questions of the benchmark."""

    def __init__(self, model: GPTModel) -> None:
        self.model = model

    def arrivals(self, prompt: list[int], n: int) -> list[float]:
        """When each of n greedy tokens came."""
        return arrivals(lambda: generate(self.model, prompt, n, temperature=0, seed=SEED))

    def logits(self, prompt: list[int], n: int) -> list[float]:
        """The scores of the first n tokens of the vocabulary to follow the prompt."""
        with torch.inference_mode():
            return self.model(torch.tensor([prompt]))[0, -1, :n].tolist()

    def recorded(self, prompt: list[int], n: int) -> dict[str, list[float] | list[int]]:
        """n tokens with the default settings, every step kept as the page keeps it."""
        steps: list[Step] = []
        times = arrivals(lambda: map(steps.append, generate(self.model, prompt, n, seed=SEED)))
        return {"times": times, "ids": [step.token_id for step in steps]}

    def bare(self, prompt: list[int], n: int) -> dict[str, list[float] | list[int]]:
        """The same tokens drawn by the same kernels and filters, with nothing written down but their ids."""
        ids: list[int] = []
        times = arrivals(lambda: map(ids.append, _drawn(self.model, prompt, n)))
        return {"times": times, "ids": ids}

    def crowd(self, prompts: list[list[int]], n: int) -> list[list[float]]:
        """When each of n tokens came, for one person per prompt, each in a thread, all starting together."""
        together = Barrier(len(prompts))
        times: list[list[float]] = [[] for _ in prompts]

        def write(person: int) -> None:
            together.wait()
            times[person] = arrivals(lambda: generate(self.model, prompts[person], n, seed=person))

        threads = [Thread(target=write, args=(person,)) for person in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return times


def arrivals(tokens: Callable[[], Iterator[object]]) -> list[float]:
    """When each of the tokens came, counted from asking for the iterator."""
    start = perf_counter()
    return [perf_counter() - start for _ in tokens()]


@torch.inference_mode()
def _drawn(model: GPTModel, prompt: list[int], n: int) -> Iterator[int]:
    """What generate does for a token, less its probability, rank, entropy and hidden vector."""
    sampling, generator = Sampling(), torch.Generator().manual_seed(SEED)
    cache = KVCache(model.config, len(prompt) + n)
    read_one = one_token_reader(model)
    hidden = model.hidden(torch.tensor([prompt]), cache)[0]
    for _ in range(n):
        kept = keep(model.out_head(hidden[-1]).float(), sampling)
        uniform = torch.rand((), dtype=torch.float64, generator=generator).item()
        token_id = int(kept.ids[pick(kept.probabilities, uniform)])
        yield token_id
        hidden = read_one(token_id, cache) if read_one else model.hidden(torch.tensor([[token_id]]), cache)[0]

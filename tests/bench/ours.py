"""This project as a contestant, and what it alone is asked: recording, a bare loop, one person beside another.

Times are seconds since the request; every list of them has one entry for each new token.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Thread
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from gpt import GPTModel, generate
from gpt.engine.fair_share import ASKING, Client
from gpt.engine.text_reader import text_reader
from gpt.generation import Step
from gpt.sampling import Sampling, keep, pick
from gpt.seeding import uniform_numbers

SEED = 123
_BEFORE_THE_OTHER = 8  # tokens that one person has when another begins


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

    def use_threads(self, n: int) -> int:
        """Compute with n threads from now on; how many it were before."""
        before = torch.get_num_threads()
        torch.set_num_threads(n)
        return before

    def crowd(self, prompts: list[list[int]], n: int) -> list[list[float]]:
        """When each of n tokens came, for one person per prompt, with the default settings."""
        return self._crowd(prompts, n, Sampling().temperature)

    def greedy_crowd(self, prompts: list[list[int]], n: int) -> list[list[float]]:
        """The same without sampling, as peers do it."""
        return self._crowd(prompts, n, 0)

    def _crowd(self, prompts: list[list[int]], n: int, temperature: float) -> list[list[float]]:
        """Each person in a thread, all starting together."""
        together = Barrier(len(prompts))
        times: list[list[float]] = [[] for _ in prompts]

        def write(person: int) -> None:
            together.wait()
            times[person] = arrivals(lambda: generate(self.model, prompts[person], n, temperature, seed=person))

        threads = [Thread(target=write, args=(person,)) for person in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return times

    def beside(self, prompt: list[int], other: list[int], n_other: int) -> dict[str, list[float] | float]:
        """When one person's greedy tokens came, when another asked for n_other of them, and when those came.

        The one goes on until the other has all, or until the context is full.
        """
        start = perf_counter()
        one: list[float] = []
        asked, writing = 0.0, Future[list[float]]()
        with ThreadPoolExecutor(1) as thread:
            for _ in generate(self.model, prompt, self.model.config.context_length - len(prompt), temperature=0):
                one.append(perf_counter() - start)
                if len(one) == _BEFORE_THE_OTHER:
                    asked = one[-1]
                    writing = thread.submit(self._as_another, other, n_other)
                if writing.done():
                    break
        return {"one": one, "asked": asked, "other": [asked + seconds for seconds in writing.result()]}

    def _as_another(self, prompt: list[int], n: int) -> list[float]:
        """`arrivals` on behalf of somebody else, in a thread of their own."""
        ASKING.set(Client("another"))
        return self.arrivals(prompt, n)


def arrivals(tokens: Callable[[], Iterator[object]]) -> list[float]:
    """When each of the tokens came, counted from asking for the iterator."""
    start = perf_counter()
    return [perf_counter() - start for _ in tokens()]


@torch.inference_mode()
def _drawn(model: GPTModel, prompt: list[int], n: int) -> Iterator[int]:
    """What generate does for a token, less its probability, rank, entropy and hidden vector."""
    sampling, next_uniform = Sampling(), uniform_numbers(SEED)
    reader = text_reader(model, len(prompt) + n)
    unread = prompt
    for _ in range(n):
        _, logits = reader.read(unread)
        kept = keep(logits, sampling)
        token_id = int(kept.ids[pick(kept.probabilities, next_uniform())])
        yield token_id
        unread = [token_id]
    reader.close()

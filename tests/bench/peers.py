"""The CPU runtimes people would reach for, each set up as its own documentation does for one person at a time.

All of them get every core, read the same ids and choose the likeliest token; each may be missing.
"""

import os
from pathlib import Path
from time import perf_counter
from typing import Any

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Transformers:
    """Hugging Face's model and its own generate, with its key-value cache."""

    def __init__(self, folder: Path) -> None:
        import torch  # noqa: PLC0415 - a peer without it must still run
        from transformers import GPT2LMHeadModel  # noqa: PLC0415

        torch.set_num_threads(CORES)
        self.torch = torch
        self.model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
        # Random weights may choose the end of a text at any time: everybody goes on to the asked length.
        self.model.generation_config.eos_token_id = None
        self.model.generation_config.pad_token_id = 0

    def arrivals(self, prompt: list[int], n: int) -> list[float]:
        """When each of n greedy tokens came."""
        ids = self.torch.tensor([prompt])
        clock = _Clock()
        with self.torch.inference_mode():
            self.model.generate(
                ids,
                attention_mask=self.torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=n,
                streamer=clock,
            )
        return clock.times[1:]  # the first thing it is handed is the prompt

    def logits(self, prompt: list[int], n: int) -> list[float]:
        """The scores of the first n tokens of the vocabulary to follow the prompt."""
        with self.torch.inference_mode():
            return self.model(self.torch.tensor([prompt])).logits[0, -1, :n].tolist()


class _Clock:
    """What transformers takes for a streamer: it notes when it was handed something."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._start = perf_counter()

    def put(self, _: Any) -> None:
        self.times.append(perf_counter() - self._start)

    def end(self) -> None:
        """Nothing is left to do."""


class LlamaCpp:
    """llama.cpp by its Python binding. With all cores: the binding alone would take half of them."""

    def __init__(self, file: Path) -> None:
        from llama_cpp import Llama  # noqa: PLC0415

        self.model = Llama(str(file), n_ctx=1024, n_threads=CORES, n_threads_batch=CORES, verbose=False)

    def arrivals(self, prompt: list[int], n: int) -> list[float]:
        """When each of n greedy tokens came."""
        self.model.reset()  # or it would keep what an equal prompt left in its cache
        start = perf_counter()
        tokens = self.model.generate(prompt, temp=0.0)
        # Taking one more than wanted would compute it.
        return [perf_counter() - start for _, _ in zip(range(n), tokens, strict=False)]

    def logits(self, prompt: list[int], n: int) -> list[float]:
        """The scores of the first n tokens of the vocabulary to follow the prompt."""
        self.model.reset()
        self.model.eval(prompt)
        return self.model._ctx.get_logits()[:n]


class CTranslate2:
    """ctranslate2's generator; its tokens are texts, here the ids in digits."""

    def __init__(self, folder: Path, compute_type: str) -> None:
        import ctranslate2  # noqa: PLC0415

        self.model = ctranslate2.Generator(str(folder), compute_type=compute_type, intra_threads=CORES)

    def arrivals(self, prompt: list[int], n: int) -> list[float]:
        """When each of n greedy tokens came."""
        start = perf_counter()
        tokens = self.model.generate_tokens([str(token_id) for token_id in prompt], max_length=n, sampling_topk=1)
        return [perf_counter() - start for _ in tokens]

    def logits(self, prompt: list[int], n: int) -> list[float]:
        """The scores of the first n tokens of the vocabulary to follow the prompt."""
        import numpy as np  # noqa: PLC0415

        return np.asarray(self.model.forward_batch([[str(token_id) for token_id in prompt]]))[0, -1, :n].tolist()

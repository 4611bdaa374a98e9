"""The CPU runtimes people would reach for, each set up as its own documentation does.

All of them get every core, read the same ids and choose the likeliest token; each may be missing.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# A second build of llama.cpp, for processors without AVX-512: beside the environment that this runs in.
AVX2_BUILD = Path(sys.prefix).parent / "llama-cpp-avx2"


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

    def instruction_sets(self) -> str:
        """What this build of it uses, in its own words."""
        from llama_cpp import llama_print_system_info  # noqa: PLC0415

        return llama_print_system_info().decode().strip(" |")

    def greedy_crowd(self, prompts: list[list[int]], n: int) -> list[list[float]]:
        """When each of n greedy tokens came, for every prompt; all of them are read together in every step."""
        crowd = _LlamaCrowd(self.model, len(prompts), max(map(len, prompts)) + n)
        try:
            times: list[float] = []
            start = perf_counter()
            unread: Sequence[Sequence[int]] = prompts
            for _ in range(n):
                unread = [[token_id] for token_id in crowd.read(unread)]
                times.append(perf_counter() - start)
            return [times for _ in prompts]
        finally:
            crowd.close()


class _LlamaCrowd:
    """Several texts in one context of llama.cpp, by its own interface: the binding's class knows one."""

    def __init__(self, model: Any, n_texts: int, length: int) -> None:
        import llama_cpp  # noqa: PLC0415

        self.llama = llama_cpp
        self.vocab_size = model.n_vocab()
        self.lengths = [0] * n_texts
        asked = llama_cpp.llama_context_default_params()
        asked.n_seq_max = n_texts
        asked.n_ctx = n_texts * length
        asked.n_batch = asked.n_ubatch = 512
        asked.n_threads = asked.n_threads_batch = CORES
        self.context = llama_cpp.llama_init_from_model(model.model, asked)
        self.batch = llama_cpp.llama_batch_init(asked.n_batch, 0, 1)

    def read(self, texts: Sequence[Sequence[int]]) -> list[int]:
        """The likeliest token to follow each text, after the next of its tokens are read."""
        batch, last = self.batch, []
        batch.n_tokens = 0
        for text, ids in enumerate(texts):
            for token_id in ids:
                row = batch.n_tokens
                batch.token[row], batch.pos[row], batch.logits[row] = token_id, self.lengths[text], False
                batch.n_seq_id[row], batch.seq_id[row][0] = 1, text
                batch.n_tokens += 1
                self.lengths[text] += 1
            last.append(batch.n_tokens - 1)
            batch.logits[last[-1]] = True
        failed = self.llama.llama_decode(self.context, batch)
        if failed:
            raise RuntimeError(f"llama_decode answered {failed}")
        return list(map(self._likeliest, last))

    def _likeliest(self, row: int) -> int:
        import numpy as np  # noqa: PLC0415

        logits = self.llama.llama_get_logits_ith(self.context, row)
        return int(np.ctypeslib.as_array(logits, (self.vocab_size,)).argmax())

    def close(self) -> None:
        self.llama.llama_batch_free(self.batch)
        self.llama.llama_free(self.context)


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

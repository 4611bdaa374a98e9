"""What opening a forward pass costs: `python tests/bench/tracing.py [tokens]`, GPT-2 124M's shape, random weights.

Prints the median and the best of interleaved runs in milliseconds; a trace may take 1.3 times a plain forward.
"""

import sys
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from gpt import GPTConfig, GPTModel, trace
from gpt.tracing import logit_lens

ROUNDS = 15


@torch.inference_mode()
def main(t: int) -> None:
    """Measure in turn, so that a busy moment of the machine falls on all of them."""
    model = GPTModel(GPTConfig(qkv_bias=True, tied_head=True)).eval()
    ids = torch.randint(0, model.config.vocab_size, (1, t))
    traced = trace(model, ids)
    parts = {
        "forward": lambda: model(ids),
        "forward without head": lambda: model.hidden(ids),
        "trace": lambda: trace(model, ids),
        "attention of all heads": lambda: [block.attention for block in traced.blocks],
        "lens, 8 tokens, all depths": lambda: logit_lens(model, traced.stream[:, -8:]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS):
        for name, part in parts.items():
            start = perf_counter()
            part()
            seconds[name].append(perf_counter() - start)
    for name, taken in seconds.items():
        print(f"{name:28} {1000 * median(taken):8.1f} {1000 * min(taken):8.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 128)

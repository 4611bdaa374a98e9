"""A process forked after torch used its threads goes on computing, whatever is asked of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# GPT-2's vocabulary: torch shares out what it does with fewer numbers to no threads.
PREPARED = """if True:
    import os, signal, torch
    from gpt import GPTConfig, GPTModel, generate, next_token_table, trace
    torch.set_num_threads(3)
    torch.manual_seed(1)
    model = GPTModel(GPTConfig(context_length=64, emb_dim=48, n_heads=4, n_layers=1)).eval().requires_grad_(False)
    ids = list(range(1000, 1040))
    def text(**settings):
        return [step.token_id for step in generate(model, ids, 3, **settings)]
    def asked():
        return WHAT
    expected = asked()
    torch.randn(600, 600) @ torch.randn(600, 600)  # whatever was asked: all threads are there now
    torch.randn(50257 * 20).sort()
    child = os.fork()
    if child == 0:
        signal.alarm(40)
        os._exit(0 if asked() == expected and torch.get_num_threads() == 1 else 1)
    status = os.waitpid(child, 0)[1]
    assert status == 0, f"the forked process ended with {status}"
    assert torch.get_num_threads() == 3
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(
    "what",
    [
        "text(top_k=0), text(top_p=0.9), text(top_k=0, top_p=0.5)",
        "next_token_table(model, ids), next_token_table(model, ids, top_p=0.5)",
        "[round(float(each.residual.sum()), 3) for each in trace(model, ids).blocks]",
    ],
    ids=["generate", "next_token_table", "trace"],
)
def test_a_forked_process_computes(what):
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PREPARED.replace("WHAT", what)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]

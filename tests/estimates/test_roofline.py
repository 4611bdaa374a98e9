"""Times from bytes and operations: against count_flops, and by hand."""

import pytest
import torch

from gpt import GPTConfig, estimate_memory
from gpt.estimates import roofline
from gpt.estimates.flops import count_flops
from gpt.estimates.roofline import Rates, machine_rates, next_token, prompt
from gpt.estimates.workload import Workload
from tests.estimates.test_formula import value_of

GPT2 = GPTConfig(tied_head=True)


def test_a_token_of_gpt2_124m_reads_its_matrices_and_its_cache():
    # 12 · (4 · 768² + 2 · 768 · 3072) + 50257 · 768 = 123,532,032 weights; 512 tokens of cache, 24 · 768 numbers each.
    found = next_token(GPT2, Workload(seq_len=512), Rates(20e9, 100e9))
    assert found.bytes_read.value == 4 * 123_532_032 + 512 * 24 * 768 * 4
    assert found.flops.value == count_flops(GPT2, 1, 512).forward_per_token
    assert found.seconds == found.bytes_read.value / 20e9
    assert found.bound_by == "memory"


def test_a_prompt_is_bound_by_arithmetic_and_needs_one_row_of_logits():
    workload = Workload(batch_size=2, seq_len=512)
    found, whole = prompt(GPT2, workload, Rates(20e9, 100e9)), count_flops(GPT2, 2, 512)
    assert found.flops.value == whole.forward - whole.by_component["output_head"] * 511 // 512
    assert found.seconds == found.flops.value / 100e9
    assert found.bound_by == "arithmetic"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_formulas_come_to_their_figures_and_less_is_read_than_held(dtype):
    workload = Workload(dtype, 3, 100)
    held = estimate_memory(GPT2, dtype, 3, 100)
    for reading in (next_token(GPT2, workload, Rates(1, 1)), prompt(GPT2, workload, Rates(1, 1))):
        for row in (reading.bytes_read, reading.flops):
            assert value_of(row.numbers) == row.value
        assert reading.bytes_read.value < held.weights + held.kv_cache


def test_rates_are_positive_and_measured():
    rates = machine_rates("float32")
    assert rates.bytes_per_second > 1e8 and rates.flops_per_second > 1e8
    for wrong in (0, -1, 1e-300, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="has to be a number of at least 1"):
            Rates(wrong, 1)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "float16"])
def test_every_number_format_has_rates(dtype, monkeypatch):
    monkeypatch.setattr(roofline, "_SECONDS", 0.0)
    rates = machine_rates(dtype)
    assert rates.bytes_per_second > 1e8 and rates.flops_per_second > 1e8


def test_a_rate_is_the_best_repetition_of_the_best_way(monkeypatch):
    # A clock that only the works move: torch's way takes 3, 2, 2, ... seconds, this app's 5, 1, 4, 4, ...
    now = [0.0]
    monkeypatch.setattr(roofline.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(roofline, "_SECONDS", 6.0)

    def way(seconds):
        taken = iter(seconds)

        def work():
            now[0] += next(taken)

        return work

    assert roofline._fastest([way([9, 3, 2, 2]), way([9, 5, 1])]) == 1
    assert roofline._fastest([way([1, 3, 4])]) == 3  # the first time warms up


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_this_apps_own_products_count_where_they_are_compiled(dtype, monkeypatch):
    kind = getattr(torch, dtype)
    own = [*roofline._products(kind)][1]()
    # Of ones: 512 of them, and the one that is added.
    assert torch.equal(own, torch.full((512, 512), 513.0))
    assert torch.equal([*roofline._reads()][1](), torch.full((1, 2**28 // 4 // 512), 513.0))
    monkeypatch.setattr(roofline, "wait_until_built", lambda: None)
    assert len([*roofline._products(kind)]) == len([*roofline._reads()]) == 1

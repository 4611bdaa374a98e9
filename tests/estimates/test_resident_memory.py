"""What a whole process takes: against processes that were measured, and as a formula."""

from dataclasses import replace

import pytest

from gpt import GPTConfig
from gpt.estimates.budget import memory_of
from gpt.estimates.resident_memory import resident_peak
from gpt.estimates.workload import Workload
from tests.estimates.test_formula import value_of

_124M, _355M, _774M = (GPTConfig.preset(f"gpt2-{size}") for size in ("124M", "355M", "774M"))
ADAMW, SGD = Workload(seq_len=1, mode="training"), Workload(seq_len=1, mode="training", optimizer="sgd")


def tied(config: GPTConfig) -> GPTConfig:
    return replace(config, tied_head=True)


# The most that each process held, by Linux's VmHWM: one run of each, on the machine that the estimate names.
@pytest.mark.parametrize(("config", "workload", "held"), [
    (_124M, Workload(seq_len=1), 975_888_384),
    (_124M, Workload(), 1_271_554_048),
    (_355M, Workload("bfloat16", seq_len=1), 1_144_205_312),
    (_355M, Workload(), 2_451_562_496),
    (tied(_774M), Workload("bfloat16"), 2_188_369_920),
    (_124M, SGD, 1_633_599_488),
    (tied(_774M), SGD, 7_039_995_904),
    (tied(_355M), replace(SGD, seq_len=128, optimizer="sgd_momentum"), 5_332_819_968),
    (tied(_124M), ADAMW, 2_632_228_864),
    (_124M, replace(ADAMW, seq_len=256), 3_489_742_848),
    (replace(_124M, drop_rate=0.0), replace(ADAMW, seq_len=1024), 3_598_401_536),
    (_124M, replace(ADAMW, dtype="bfloat16", seq_len=64, optimizer="adamw_mixed"), 3_723_821_056),
    (_124M, replace(ADAMW, batch_size=2, seq_len=512, recompute="selective"), 4_228_313_088),
    (_124M, replace(ADAMW, seq_len=1024, recompute="full"), 3_573_571_584),
    (tied(_124M), replace(ADAMW, batch_size=2, seq_len=512, recompute="full"), 3_219_656_704),
    (tied(_355M), replace(ADAMW, seq_len=256, recompute="full"), 6_672_175_104),
], ids=str)  # fmt: skip
def test_the_estimate_is_within_a_tenth_of_what_was_measured(config, workload, held):
    assert resident_peak(config, workload).value == pytest.approx(held, rel=0.10)


def trained(dtype: str, seq_len: int, optimizer: str, recompute: str = "none", batch_size: int = 1) -> Workload:
    return Workload(dtype, batch_size, seq_len, "training", optimizer, recompute)


WITHOUT_DROPOUT = replace(tied(_124M), drop_rate=0.0)
TWO_BLOCKS = replace(_124M, n_layers=2)


# The same in millions of bytes, on 2 processors of Intel Xeon, torch 2.13.0, November 2026.
@pytest.mark.parametrize(("config", "workload", "held"), [
    (_124M, trained("bfloat16", 256, "sgd"), 1155),
    (tied(_124M), trained("bfloat16", 256, "sgd"), 1157),
    (_124M, trained("bfloat16", 1024, "sgd"), 2800),
    (tied(_124M), trained("bfloat16", 64, "sgd"), 1037),
    (tied(_124M), trained("bfloat16", 128, "adamw"), 1561),
    (WITHOUT_DROPOUT, trained("float32", 512, "adamw"), 2992),
    (WITHOUT_DROPOUT, trained("float32", 512, "sgd"), 1816),
    (WITHOUT_DROPOUT, trained("float32", 512, "adamw", "selective"), 2847),
    (_124M, trained("float32", 64, "sgd", "selective", 8), 1907),
    (tied(_124M), trained("float32", 1024, "sgd", "full"), 1982),
    (TWO_BLOCKS, trained("bfloat16", 64, "sgd"), 730),
    (TWO_BLOCKS, trained("bfloat16", 256, "sgd"), 750),
    (TWO_BLOCKS, trained("bfloat16", 1024, "sgd"), 1397),
    (TWO_BLOCKS, trained("bfloat16", 256, "adamw"), 1298),
    (TWO_BLOCKS, trained("float32", 256, "sgd"), 1118),
], ids=str)  # fmt: skip
def test_so_it_is_on_another_processor(config, workload, held):
    assert resident_peak(config, workload).value / 10**6 == pytest.approx(held, rel=0.10)


@pytest.mark.parametrize("workload", [Workload(), ADAMW, replace(ADAMW, recompute="full")], ids=str)
def test_it_stands_on_the_peak_and_its_formula_comes_to_its_value(workload):
    row, peak = resident_peak(_124M, workload), memory_of(_124M, workload).peak
    assert row.value > 1.05 * peak
    assert f"{peak:,}" in row.numbers
    assert value_of(row.numbers) == row.value
    assert row.source.startswith("measured on 2 processors")


def test_int8_has_none_and_an_impossible_workload_is_refused():
    assert resident_peak(_124M, Workload("int8")) is None
    with pytest.raises(ValueError, match="seq_len is 2,000"):
        resident_peak(_124M, Workload(seq_len=2000))


def test_what_no_number_counts_is_refused():
    # Its tensors take 8.8e18 bytes, less than 2^63; with the rest of the process it is more.
    giant = GPTConfig(emb_dim=10**6, n_heads=1, n_layers=45_800)
    assert memory_of(giant, ADAMW).peak < 2**63
    with pytest.raises(ValueError, match="64-bit"):
        resident_peak(giant, ADAMW)

"""Estimates against real runs; the measuring process refuses, reports, stops and fails as it should."""

import os
import time
from dataclasses import replace

import pytest
import torch

from gpt import GPTConfig
from gpt.estimates import machine, measurement
from gpt.estimates.budget import memory_of
from gpt.estimates.measured_process import LiveTensors, Measurement, run
from gpt.estimates.measurement import Limits, Progress, check_measurable, measure
from gpt.estimates.resident_memory import resident_peak
from gpt.estimates.workload import Workload

SMALL = GPTConfig(vocab_size=1000, context_length=128, emb_dim=64, n_heads=4, n_layers=3)


def measured(config: GPTConfig, workload: Workload) -> Measurement:
    return run(config, workload, report=lambda *_: None)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_inference_takes_what_the_formulas_say(dtype, batch_size):
    workload = Workload(dtype, batch_size, 96)
    found, estimate = measured(SMALL, workload), memory_of(SMALL, workload)
    assert found.weights == estimate.weights
    assert found.kv_cache == estimate.kv_cache
    assert found.logits == estimate.logits
    assert found.activations == pytest.approx(estimate.activations, rel=0.01)
    assert found.peak == pytest.approx(estimate.peak, rel=0.01)


@pytest.mark.parametrize(("dtype", "optimizer"), [
    ("float32", "sgd"),
    ("float32", "sgd_momentum"),
    ("float32", "adam"),
    ("float32", "adamw"),
    ("bfloat16", "adamw"),
    ("bfloat16", "adamw_mixed"),
    ("float16", "adamw_mixed"),
])  # fmt: skip
@pytest.mark.parametrize("tied", [False, True])
def test_training_takes_what_the_formulas_say(dtype, optimizer, tied):
    config = replace(SMALL, tied_head=tied)
    for batch_size, seq_len in ((1, 8), (2, 96)):  # the end, and the start, of the backward pass is the fullest
        workload = Workload(dtype, batch_size, seq_len, "training", optimizer)
        found, estimate = measured(config, workload), memory_of(config, workload)
        assert found.weights == estimate.weights
        assert found.gradients == pytest.approx(estimate.gradients, rel=0.001)
        assert found.optimizer == pytest.approx(estimate.optimizer, rel=0.01)
        assert found.activations == pytest.approx(estimate.activations, rel=0.01)
        assert found.peak == pytest.approx(estimate.peak, rel=0.05)


@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
@pytest.mark.parametrize("shape", [(2, 2, 1), (8, 64, 4), (3, 128, 2)], ids=str)
@pytest.mark.parametrize("others", [
    {"drop_rate": 0.0},
    {"drop_rate": 0.1},
    {"drop_rate_attn": 0.0, "inner_dim": 30, "activation": "relu"},
    {"drop_rate_shortcut": 0.0, "inner_dim": 500, "activation": "gelu"},
], ids=str)  # fmt: skip
def test_activations_for_every_recomputation(recompute, shape, others):
    n_layers, seq_len, batch_size = shape
    config = replace(SMALL, n_layers=n_layers, **others)
    workload = Workload("float32", batch_size, seq_len, "training", "sgd", recompute)
    found, estimate = measured(config, workload), memory_of(config, workload)
    assert found.activations == estimate.activations
    assert found.peak == pytest.approx(estimate.peak, rel=0.02)


@pytest.mark.parametrize("n_layers", [1, 6])
def test_where_blocks_are_computed_again_the_peak_is_a_bound_and_says_so(n_layers):
    blocks_are_most = GPTConfig(
        vocab_size=500, context_length=128, emb_dim=128, n_heads=4, n_layers=n_layers, tied_head=True, drop_rate=0.0
    )
    workload = Workload("float32", 8, 128, "training", "sgd", "full")
    estimate, kept = (memory_of(blocks_are_most, each) for each in (workload, replace(workload, recompute="none")))
    assert measured(blocks_are_most, workload).peak <= estimate.peak
    assert "at most" in estimate.formulas[-1].source and "at most" not in kept.formulas[-1].source


def test_inference_of_another_width_takes_what_the_formulas_say():
    workload = Workload(seq_len=96)
    for inner_dim in (8, 500):
        config = replace(SMALL, inner_dim=inner_dim)
        found, estimate = measured(config, workload), memory_of(config, workload)
        assert (found.weights, found.activations) == (estimate.weights, estimate.activations)
        assert found.peak == pytest.approx(estimate.peak, rel=0.01)


def test_logits_of_a_real_vocabulary():
    config = replace(SMALL, vocab_size=50257)
    workload = Workload("bfloat16", 2, 64, "training", "adamw_mixed")
    found, estimate = measured(config, workload), memory_of(config, workload)
    assert found.logits == pytest.approx(estimate.logits, rel=0.001)
    assert found.peak == pytest.approx(estimate.peak, rel=0.01)


def test_live_tensors_count_storages_once_and_only_while_they_live():
    with LiveTensors() as live:
        a = torch.zeros(1000)
        b = a.view(10, 100)[2:]
        assert live.bytes == 4000
        c = b * 2
        assert live.bytes == 4000 + 3200
        del a, b
        assert live.bytes == 3200
        del c
        assert live.bytes == 0
    assert live.peak == 7200


def test_the_process_reports_its_progress_and_then_the_same_figures():
    workload = Workload("float32", 1, 32, "training")
    *progress, found = measure(SMALL, workload)
    assert all(isinstance(step, Progress) and 0 <= step.share <= 1 for step in progress)
    stages = list(dict.fromkeys(step.stage for step in progress))
    assert stages == [
        "starting Python and torch",
        "building the model",
        "forward pass",
        "backward pass",
        "optimizer step",
    ]
    here = measured(SMALL, workload)
    for name in ("weights", "gradients", "optimizer", "activations", "kv_cache", "logits", "peak"):
        assert getattr(found, name) == getattr(here, name)
    assert found.resident_peak >= found.resident_start > 0
    assert found.step_seconds >= found.forward_seconds > 0


def test_closing_the_iterator_ends_the_process(monkeypatch):
    started = []
    popen = measurement.subprocess.Popen
    monkeypatch.setattr(measurement.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[0])
    run_slow = measure(replace(SMALL, n_layers=200, emb_dim=256), Workload("float32", 1, 128, "training"))
    next(run_slow)
    assert started[0].poll() is None
    begin = time.monotonic()
    run_slow.close()
    assert time.monotonic() - begin < 1
    with pytest.raises(ProcessLookupError):
        os.kill(started[0].pid, 0)


def test_progress_comes_while_the_process_is_silent():
    with_pauses = measure(SMALL, Workload("float32", 1, 8))
    first, second = next(with_pauses), next(with_pauses)
    assert first.stage == second.stage == "starting Python and torch"
    assert second.seconds < 1
    with_pauses.close()


def test_what_does_not_fit_is_refused_before_anything_is_built():
    huge = replace(GPTConfig.preset("gpt2-1558M"), context_length=10**6)
    with pytest.raises(ValueError, match=r"would take about [\d,.]+ GiB and [\d,.]+ GiB are free"):
        next(measure(huge, Workload("float32", 64, 10**4, "training")))


def test_the_whole_process_has_to_fit_and_not_only_its_tensors(monkeypatch):
    needed = resident_peak(SMALL, Workload(seq_len=8)).value
    monkeypatch.setattr(measurement, "free_memory_bytes", lambda: needed)
    with pytest.raises(ValueError, match="GiB are free"):
        check_measurable(SMALL, Workload(seq_len=8))
    monkeypatch.setattr(measurement, "free_memory_bytes", lambda: round(1.11 * needed))
    check_measurable(SMALL, Workload(seq_len=8))


def test_refuses_where_free_memory_is_unknown_and_what_it_cannot_build(monkeypatch):
    with pytest.raises(ValueError, match="int8 is an estimate only"):
        check_measurable(SMALL, Workload("int8", 1, 8))
    monkeypatch.setattr(measurement, "free_memory_bytes", lambda: None)
    with pytest.raises(ValueError, match="cannot be read"):
        check_measurable(SMALL, Workload(seq_len=8))


def test_a_run_that_works_too_long_is_stopped(monkeypatch):
    monkeypatch.setattr(measurement, "_PATIENCE", 100)
    with pytest.raises(RuntimeError, match="because it had worked for 0 seconds"):
        list(measure(SMALL, Workload(seq_len=8), Limits(seconds=0.3)))


def test_a_measurement_may_be_kept_to_a_share_of_the_free_memory(monkeypatch):
    monkeypatch.setattr(measurement, "free_memory_bytes", lambda: 2**30)
    check_measurable(SMALL, Workload(seq_len=8))
    with pytest.raises(ValueError, match=r"1.0 GiB are free, of which a measurement may take 12.5%: choose a smaller"):
        check_measurable(SMALL, Workload(seq_len=8), Limits(share_of_free=1 / 8))


def test_only_the_time_that_it_works_counts(monkeypatch):
    monkeypatch.setattr(measurement, "worked_seconds", lambda _: 1.0)
    monkeypatch.setattr(measurement, "_PATIENCE", 100)
    limits = Limits(seconds=1.5)  # it takes longer, by the clock
    *_, found = measure(SMALL, Workload(seq_len=8), limits)
    assert isinstance(found, Measurement)
    monkeypatch.setattr(measurement, "_PATIENCE", 0.2)
    with pytest.raises(RuntimeError, match="this busy machine let it work for 1"):
        list(measure(SMALL, Workload(seq_len=8), limits))


def test_the_time_that_a_process_works_is_its_own():
    before = machine.worked_seconds(os.getpid())
    time.sleep(0.3)
    rested = machine.worked_seconds(os.getpid())
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        pass
    worked = machine.worked_seconds(os.getpid())
    assert rested - before < 0.1 < worked - rested
    assert machine.worked_seconds(2**22 + 1) is None  # no process has this number


def test_a_process_that_dies_says_why(monkeypatch):
    monkeypatch.setattr(measurement.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="exit status 1: it did not say why"):
        list(measure(SMALL, Workload(seq_len=8)))
    monkeypatch.undo()
    monkeypatch.setattr(measurement, "_ROOT", "/")
    with pytest.raises(RuntimeError, match=r"exit status 1: .*No module named 'gpt'"):
        list(measure(SMALL, Workload(seq_len=8)))
    ended = measurement._why_it_ended
    assert "Memory ran out" in ended(-9, "", True)
    assert "from outside (SIGKILL)" in ended(-9, "", False)
    assert "from outside (SIGTERM)" in ended(-15, "", True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_16_bit_step_is_announced_as_slow_where_the_processor_is(dtype, monkeypatch):
    training = Workload(dtype, mode="training")
    monkeypatch.setattr(measurement, "has_fast_products", lambda found: found != dtype)
    assert f"no fast products in {dtype}: a forward pass takes many times" in measurement.slowness(Workload(dtype))
    slow = measurement.slowness(training)
    assert slow.startswith(f"This processor has no fast products in {dtype}: a backward pass takes many times as long")
    monkeypatch.setattr(measurement, "has_fast_products", lambda found: found == dtype)
    assert measurement.slowness(training).startswith(f"This processor has fast products in {dtype}.")
    assert measurement.slowness(Workload("int8")) == measurement.slowness(Workload(mode="training")) == ""

"""Estimates against real runs; the measuring process refuses, reports, stops and fails as it should."""

import os
import time
from dataclasses import replace

import pytest
import torch

from gpt import GPTConfig, measurement
from gpt.budget import memory_of
from gpt.measured_run import LiveTensors, Measurement, run
from gpt.measurement import Progress, check_measurable, measure
from gpt.workload import Workload

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


@pytest.mark.parametrize("drop_rate", [0.0, 0.1])
@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
@pytest.mark.parametrize("shape", [(2, 2, 1), (8, 64, 4), (3, 128, 2)], ids=str)
def test_activations_for_every_recomputation(drop_rate, recompute, shape):
    n_layers, seq_len, batch_size = shape
    config = replace(SMALL, drop_rate=drop_rate, n_layers=n_layers)
    workload = Workload("float32", batch_size, seq_len, "training", "sgd", recompute)
    found, estimate = measured(config, workload), memory_of(config, workload)
    assert found.activations == pytest.approx(estimate.activations, rel=0.05)
    assert found.peak == pytest.approx(estimate.peak, rel=0.1)


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


def test_refuses_where_free_memory_is_unknown_and_what_it_cannot_build(monkeypatch):
    with pytest.raises(ValueError, match="int8 is an estimate only"):
        check_measurable(SMALL, Workload("int8", 1, 8))
    monkeypatch.setattr(measurement, "free_memory_bytes", lambda: None)
    with pytest.raises(ValueError, match="cannot be read"):
        check_measurable(SMALL, Workload(seq_len=8))


def test_a_run_that_takes_too_long_is_stopped(monkeypatch):
    monkeypatch.setattr(measurement, "TIME_LIMIT_SECONDS", 0.3)
    with pytest.raises(RuntimeError, match="Stopped after"):
        list(measure(SMALL, Workload(seq_len=8)))


def test_a_process_that_dies_says_why(monkeypatch):
    monkeypatch.setattr(measurement.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="exit status 1"):
        list(measure(SMALL, Workload(seq_len=8)))
    run_on = measure(SMALL, Workload(seq_len=8))
    monkeypatch.undo()
    run_on.close()
    assert "signal 9" in measurement._why_it_ended(-9)

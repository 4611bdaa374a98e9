"""The Calculator without a browser: its answers, tables and figures say what the library computed."""

import csv
import io
import json
from dataclasses import replace
from html import escape

import gradio as gr
import pytest

from gpt import GPTConfig, count_parameters, estimate_memory
from gpt.budget import memory_growth, memory_of
from gpt.devices import fits
from gpt.flops import count_flops
from gpt.measured_run import Measurement
from gpt.ui import calculator
from gpt.ui.calculation import answer, record
from gpt.ui.calculator_controls import config_values, settings_from
from gpt.ui.calculator_figures import COMPONENTS, MEMORY_PARTS, flop_bar, memory_bar, memory_curve, parameter_bars
from gpt.ui.calculator_tables import (
    comparison_table,
    duration,
    fits_list,
    flop_table,
    head_answer,
    memory_table,
    parameter_table,
)
from gpt.workload import Workload

GPT2 = GPTConfig.preset("gpt2-124M")
TRAINING = Workload(mode="training", batch_size=2, seq_len=512)
WORKLOAD_VALUES = ["training", "float32", 2, 512, "adamw", "none"]


def values(**changes) -> list:
    """What the fields hold for GPT-2 124M in training, with some changed by name."""
    names = [*calculator.ConfigControls.__dataclass_fields__, *calculator.WorkloadControls.__dataclass_fields__]
    filled = dict(zip(names, [*config_values(GPT2), *WORKLOAD_VALUES], strict=True))
    return list((filled | changes).values())


def test_the_answer_has_the_contracts_keys_and_the_librarys_numbers():
    told = json.loads(json.dumps(answer(GPT2, TRAINING)))
    estimate = estimate_memory(GPT2, "float32", 2, 512, "training")
    assert set(told) == {"parameters", "memory_bytes", "flops"}
    assert told["parameters"]["total"] == sum(told["parameters"]["by_component"].values()) == 163_009_536
    assert told["memory_bytes"]["activations"] == estimate.activations
    parts = ("weights", "gradients", "optimizer", "activations", "kv_cache", "logits")
    assert told["memory_bytes"]["total"] == sum(told["memory_bytes"][part] for part in parts)
    assert told["flops"]["forward"] == count_flops(GPT2, 2, 512).forward


def test_fields_become_the_settings_they_show():
    assert settings_from(*values()) == (GPT2, TRAINING)
    assert settings_from(*values(emb_dim=768.0, drop_rate=0)) == (replace(GPT2, drop_rate=0), TRAINING)


@pytest.mark.parametrize(("wrong", "sentence", "place"), [
    ({"emb_dim": 770}, "choose an emb_dim that n_heads divides", 0),
    ({"emb_dim": None}, "emb_dim is empty", 0),
    ({"n_layers": 0}, "n_layers is 0", 0),
    ({"n_heads": -12}, "n_heads is -12", 0),
    ({"vocab_size": 10**12}, "vocab_size is 1000000000000", 0),
    ({"context_length": 1.5}, "context_length is 1.5", 0),
    ({"drop_rate": 2}, "drop_rate is 2", 0),
    ({"emb_dim": 10**6, "n_heads": 1, "n_layers": 10**6}, "64-bit", 0),
    ({"seq_len": 2000}, "seq_len is 2,000", 1),
    ({"batch_size": 10**12}, "batch_size is 1,000,000,000,000", 1),
    ({"dtype": "int8"}, "int8 weights cannot be trained", 1),
    ({"optimizer": "adamw_mixed"}, "float32 master weights", 1),
])  # fmt: skip
def test_what_is_impossible_is_said_beside_its_cause_and_nothing_else_changes(wrong, sentence, place):
    results = calculator._calculate("seq_len", 100, *values(**wrong))
    assert sentence in results[place]
    assert results[1 - place] == ""
    assert all(result == gr.skip() for result in results[2:])
    assert len(results) == len(calculator.Results.__dataclass_fields__)


def test_a_speed_of_nothing_is_said_and_the_times_stay():
    *_, table, problem = calculator._calculate("seq_len", None, *values())
    assert table == gr.skip()
    assert "has to be a positive number" in problem


def test_bars_add_up_to_what_they_show():
    own = count_parameters(GPT2)
    drawn = parameter_bars({"": own.by_component})
    (bar,) = drawn.data
    assert sum(bar.x) == pytest.approx(own.total / 1e6)
    ends = [start + length for start, length in zip(bar.base, bar.x, strict=True)]
    assert bar.base == pytest.approx((0, *ends[:-1]))
    estimate = memory_of(GPT2, TRAINING)
    assert sum(memory_bar(estimate).data[0].x) == pytest.approx(estimate.total / 2**30)
    count = count_flops(GPT2, 1, 64)
    assert sum(flop_bar(count.by_component).data[0].x) == pytest.approx(count.forward / 1e9)


def test_the_curve_ends_at_the_context_and_adds_up():
    points = memory_growth(GPT2, TRAINING, "seq_len")
    drawn = memory_curve(points, "tokens", 512)
    assert {area.name for area in drawn.data} == {
        label for part, (label, _) in MEMORY_PARTS.items() if getattr(points[0][1], part)
    }
    assert sum(area.y[-1] for area in drawn.data) == pytest.approx(points[-1][1].total / 2**30)
    assert drawn.data[0].x[-1] == GPT2.context_length


def test_every_colour_of_a_figure_is_its_own():
    for kinds in (COMPONENTS, MEMORY_PARTS):
        assert len({colour for _, colour in kinds.values()}) == len(kinds)


def test_tables_hold_exact_figures_and_their_sums():
    own = count_parameters(GPT2)
    table = parameter_table(own, {"355M": count_parameters(GPTConfig.preset("gpt2-355M"))})
    assert "163,009,536" in table and "406,212,608" in table
    assert "50,257 · 768" in table
    estimate = memory_of(GPT2, TRAINING)
    table = memory_table(estimate)
    for row in (*estimate.formulas, *estimate.alternatives):
        assert f"{row.value:,}" in table
        assert escape(row.source) in table
    count = count_flops(GPT2)
    assert f"{count.forward:,}" in flop_table(count, 1e11)
    assert "2.92 s" in flop_table(count, 1e11)  # 291,648,307,200 at 100 GFLOP/s


def test_the_question_of_section_4_6_is_answered_for_any_size():
    said = head_answer(GPT2)
    for figure in ("163M or 124M?", "163,009,536", "124,412,160", "124,439,808"):
        assert figure in said
    assert head_answer(replace(GPT2, tied_head=True, qkv_bias=True)) == said


def test_devices_are_marked_by_whether_they_have_room():
    said = fits_list(fits(10 * 2**30))
    assert said.count("✓") + said.count("✗") == len(fits(0))
    assert "<b>✗</b> NVIDIA RTX 4060" in said
    assert "<b>✓</b> NVIDIA RTX 3060" in said


def test_the_comparison_divides_estimate_by_measurement():
    estimate = memory_of(GPT2, TRAINING)
    found = Measurement(
        weights=estimate.weights,
        gradients=estimate.gradients,
        optimizer=estimate.optimizer // 2,
        activations=estimate.activations,
        kv_cache=0,
        logits=estimate.logits,
        peak=estimate.peak,
        resident_start=1,
        resident_peak=987_654_321,
        forward_seconds=1.0,
        step_seconds=3.0,
    )
    table = comparison_table(estimate, found)
    assert table.count(">1.0000<") == 5
    assert ">2.0000<" in table
    assert "987,654,321" in table
    assert "Korthikanti" in table
    assert "KV cache" not in table


@pytest.mark.parametrize(("length", "said"), [
    (2e-6, "2 µs"),
    (0.0015, "1.5 ms"),
    (2.9164, "2.92 s"),
    (250, "4.17 min"),
    (86400 * 400, "400 days"),
])  # fmt: skip
def test_durations_have_a_sensible_unit(length, said):
    assert duration(length) == said


def test_saved_files_hold_every_formula():
    saved = calculator._csv(*values())
    rows = list(csv.DictReader(io.StringIO(saved["text"])))
    kept = json.loads(calculator._json(*values())["text"])
    assert kept == json.loads(json.dumps(record(GPT2, TRAINING)))
    assert [row["value"] for row in rows] == [str(row["value"]) for row in kept["formulas"]]
    assert {row["section"] for row in rows} == {"parameters", "memory", "memory, other formulas", "operations"}
    assert calculator._csv(*values(emb_dim=770)) is None
    assert calculator._json(*values(seq_len=2000)) is None

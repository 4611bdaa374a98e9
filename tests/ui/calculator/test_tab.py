"""The Calculator without a browser: its answers, tables and figures say what the library computed."""

import csv
import io
import json
import re
from dataclasses import replace
from html import escape

import pytest

from gpt import GPTConfig, count_parameters, estimate_memory
from gpt.estimates.budget import memory_growth, memory_of
from gpt.estimates.devices import fits
from gpt.estimates.flops import count_flops
from gpt.estimates.measured_process import Measurement
from gpt.estimates.resident_memory import resident_peak
from gpt.estimates.workload import Workload
from gpt.ui.calculator.calculated_results import Asked, ResultComponents, first_asked
from gpt.ui.calculator.calculation import Measured, answer, record
from gpt.ui.calculator.estimate_tables import (
    comparison_table,
    duration,
    fits_list,
    flop_table,
    head_answer,
    measured_caption,
    memory_table,
    parameter_table,
)
from gpt.ui.calculator.figures import COMPONENTS, MEMORY_PARTS, flop_bar, memory_bar, memory_curve, parameter_bars
from gpt.ui.calculator.setting_controls import config_values, settings_by_name, settings_from
from gpt.ui.calculator.tab import calculated_or_refused, csv_of, json_of
from gpt.ui.common.number_format import percent, size
from gpt.ui.host.host_options import read_options
from gpt.ui.page import build_page

GPT2 = GPTConfig.preset("gpt2-124M")
TRAINING = Workload(mode="training", batch_size=2, seq_len=512)
WORKLOAD_VALUES = ["training", "float32", 2, 512, "adamw", "none"]


ASKED = first_asked(GPT2)
FOUND = Measurement(
    weights=1, gradients=1, optimizer=1, activations=1, kv_cache=0, logits=1, peak=1,
    resident_start=None, resident_peak=None, forward_seconds=2.5, step_seconds=8.0,
)  # fmt: skip


def settings(**changes) -> dict:
    """What the fields hold for GPT-2 124M in training, with some changed by name."""
    return settings_by_name(*config_values(GPT2).values(), *WORKLOAD_VALUES) | changes


def values(**changes) -> list:
    """The same as a list."""
    return list(settings(**changes).values())


PANELS = [ASKED.over, ASKED.speed, *vars(ASKED.after).values()]


def asked(**changes) -> Asked:
    """What the panels ask at first, with some changed by name."""
    return replace(ASKED, **changes)


def test_the_answer_has_the_contracts_keys_and_the_librarys_numbers():
    told = json.loads(json.dumps(answer(GPT2, TRAINING)))
    estimate = estimate_memory(GPT2, "float32", 2, 512, "training")
    assert set(told) == {"parameters", "memory_bytes", "flops"}
    assert told["parameters"]["total"] == sum(told["parameters"]["by_component"].values()) == 163_009_536
    assert told["memory_bytes"]["activations"] == estimate.activations
    assert told["memory_bytes"]["resident"] == resident_peak(GPT2, TRAINING).value
    assert answer(GPT2, Workload("int8"))["memory_bytes"]["resident"] is None
    parts = ("weights", "gradients", "optimizer", "activations", "kv_cache", "logits")
    assert told["memory_bytes"]["total"] == sum(told["memory_bytes"][part] for part in parts)
    assert told["flops"]["forward"] == count_flops(GPT2, 2, 512).forward


@pytest.mark.parametrize("typed", ["3,072", "3072", "3072.0"])
def test_a_number_in_a_text_field_may_be_written_as_the_page_writes_it(typed):
    assert settings_from(*values(inner_dim=typed))[0].inner_dim == 3072


@pytest.mark.parametrize("typed", ["3,07", "3,0721", ",072", "3.072"])
def test_other_commas_are_refused(typed):
    with pytest.raises(ValueError, match="inner_dim is"):
        settings_from(*values(inner_dim=typed))


def test_fields_become_the_settings_they_show():
    assert settings_from(*values()) == (GPT2, TRAINING)
    assert settings_from(*values(emb_dim=768.0, drop_rate=0)) == (replace(GPT2, drop_rate=0), TRAINING)
    more = {"inner_dim": 100, "activation": "relu", "drop_rate_attn": 0.2}
    assert settings_from(*values(**more)) == (replace(GPT2, **more), TRAINING)
    typed = {"inner_dim": "100", "drop_rate_emb": "", "drop_rate_attn": "0.2"}
    assert settings_from(*values(**typed)) == (replace(GPT2, inner_dim=100, drop_rate_attn=0.2), TRAINING)


def test_what_inference_has_no_use_for_is_left_out_of_it():
    workload = settings_from(*values(mode="inference", optimizer="adamw_mixed", recompute="full"))[1]
    assert workload == Workload(batch_size=2, seq_len=512)


@pytest.mark.parametrize(("wrong", "sentence", "place"), [
    ({"emb_dim": 770}, "choose an emb_dim that n_heads divides", "config_note"),
    ({"emb_dim": None}, "emb_dim is empty", "config_note"),
    ({"n_layers": 0}, "n_layers is 0", "config_note"),
    ({"n_heads": -12}, "n_heads is -12", "config_note"),
    ({"vocab_size": 10**12}, "vocab_size is 1,000,000,000,000", "config_note"),
    ({"context_length": 1.5}, "context_length is 1.5", "config_note"),
    ({"drop_rate": 2}, "drop_rate is 2", "config_note"),
    ({"inner_dim": 0}, "inner_dim is 0", "config_note"),
    ({"inner_dim": "many"}, "inner_dim is &#x27;many&#x27;", "config_note"),
    ({"drop_rate_attn": 1}, "drop_rate_attn is 1", "config_note"),
    ({"emb_dim": 10**6, "n_heads": 1, "n_layers": 10**6}, "64-bit", "config_note"),
    ({"seq_len": 2000}, "seq_len is 2,000", "workload_note"),
    ({"batch_size": 10**12}, "batch_size is 1,000,000,000,000", "workload_note"),
    ({"dtype": "int8"}, "int8 weights cannot be trained", "workload_note"),
    ({"optimizer": "adamw_mixed"}, "float32 master weights", "workload_note"),
])  # fmt: skip
def test_what_is_impossible_is_said_beside_its_cause_and_nothing_else_changes(wrong, sentence, place):
    results = calculated_or_refused(ASKED, settings(**wrong))
    assert set(results) == {"config_note", "workload_note"}
    assert "still those of the settings before" in results[place]
    assert sentence in results[place]
    assert sum(map(bool, results.values())) == 1


def test_what_is_possible_fills_every_component():
    results = calculated_or_refused(ASKED, settings())
    assert set(results) == set(ResultComponents.__dataclass_fields__)
    empty = {name for name, value in results.items() if not value}
    assert empty == {name for name in results if name.endswith("_note")}


@pytest.mark.parametrize(("speed", "said"), [
    (None, "Speed in GFLOP/s is empty: type a number."),
    (0, "Speed in GFLOP/s is 0: choose a number from"),
    (-3, "Speed in GFLOP/s is -3: choose a number from"),
    (1e-300, "Speed in GFLOP/s is 1e-300: choose a number from"),
])  # fmt: skip
def test_without_a_speed_there_are_operations_and_no_times(speed, said):
    results = calculated_or_refused(asked(speed=speed), settings(batch_size=1, seq_len=1024))
    assert said in results["speed_note"]
    row = results["operations"].split("Forward pass")[1].split("</tr>")[0]
    assert re.findall("<td>(.*?)</td>", row) == ["291.65 GFLOP", "291,648,307,200", "–"]


@pytest.mark.parametrize(("gflops", "said"), [(100, "2.92 s"), (0.5, "9.72 min"), (2_000, "146 ms"), (3e6, "97.2 µs")])
def test_times_are_those_of_a_speed_in_billions_of_operations_a_second(gflops, said):
    # 291,648,307,200 operations of one forward pass of GPT-2 124M over 1,024 tokens, Chowdhery et al. 2022.
    results = calculated_or_refused(asked(speed=gflops), settings(batch_size=1, seq_len=1024))
    row = results["operations"].split("Forward pass")[1].split("</tr>")[0]
    assert re.findall("<td>(.*?)</td>", row) == ["291.65 GFLOP", "291,648,307,200", said]


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
    *areas, _, peak = drawn.data
    assert {area.name for area in areas} == {
        label for part, (label, _) in MEMORY_PARTS.items() if getattr(points[0][1], part)
    }
    assert sum(area.y[-1] for area in areas) == pytest.approx(points[-1][1].total / 2**30)
    assert peak.y == pytest.approx([estimate.peak / 2**30 for _, estimate in points])
    assert drawn.layout.yaxis.range[1] > max(peak.y)
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
    table = memory_table(estimate, resident_peak(GPT2, TRAINING))
    for row in (*estimate.formulas, *estimate.alternatives):
        assert f"{row.value:,}" in table
        assert escape(row.source) in table
    count = count_flops(GPT2)
    assert f"{count.forward:,}" in flop_table(count, 1e11)
    assert "2.92 s" in flop_table(count, 1e11)  # 291,648,307,200 at 100 GFLOP/s


def cells(table: str) -> list[list[str]]:
    """The cells of a table's rows, without those that name the rows."""
    return [re.findall("<td>(.*?)</td>", row) for row in table.split("<tr")[2:]]


def test_memory_is_told_in_a_readable_size_in_bytes_and_as_a_share_of_the_total():
    estimate = memory_of(GPT2, TRAINING)
    resident = resident_peak(GPT2, TRAINING)
    rows = cells(memory_table(estimate, resident))
    assert rows.pop(8) == [size(resident.value), f"{resident.value:,}", ""]
    assert len(cells(memory_table(estimate, None))) == len(rows)
    shares = [percent(row.value / estimate.total) for row in estimate.formulas] + [""] * 2
    told = zip((*estimate.formulas, *estimate.alternatives), shares, strict=True)
    assert rows == [[size(row.value), f"{row.value:,}", share] for row, share in told]
    parts = [float(share.split()[0]) for _, _, share in rows[:6]]
    assert sum(parts) == pytest.approx(100, abs=0.3)


def test_parameters_of_every_component_stand_below_their_model():
    own, other = (count_parameters(GPTConfig.preset(f"gpt2-{name}")) for name in ("124M", "355M"))
    assert cells(parameter_table(own, {"355M": other})) == [
        [f"{count.value:,}" for count in pair] for pair in zip(own.formulas, other.formulas, strict=True)
    ]


def test_the_question_of_section_4_6_is_answered_for_any_size():
    said = head_answer(GPT2)
    for figure in ("163M or 124M?", "163,009,536", "124,412,160", "124,439,808"):
        assert figure in said
    assert head_answer(replace(GPT2, tied_head=True, qkv_bias=True)) == said


def test_devices_are_marked_by_whether_they_have_room():
    said = fits_list(fits(10 * 2**30, 17 * 2**30), process_is_known=True)
    assert "the whole process in RAM" in said
    assert "the whole process in RAM" not in fits_list(fits(1, 1), process_is_known=False)
    assert said.count("✓") + said.count("✗") == len(fits(0, 0))
    assert "<b>✗</b> NVIDIA RTX 4060 <span>8 GiB, 125.0 %</span>" in said
    assert "<b>✓</b> NVIDIA RTX 3060" in said
    assert "<b>✗</b> 16 GB of RAM <span>16 GiB, 106.2 %</span>" in said


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
    resident = resident_peak(GPT2, TRAINING)
    table = comparison_table(estimate, resident, found)
    assert table.count(">1.0000<") == 5
    assert f">{resident.value / 987_654_321:.4f}<" in table
    assert ">2.0000<" in table
    assert "987,654,321" in table
    assert "Korthikanti" in table
    assert "KV cache" not in table


def test_what_was_measured_is_said_with_the_speed_that_makes():
    workload = replace(TRAINING, dtype="bfloat16", optimizer="sgd", recompute="full")
    said = measured_caption(GPT2, workload, count_flops(GPT2, 2, 512), FOUND, "2 <processors>")
    # 1,024 tokens in two sequences: 272,320,954,368 operations forward in 2.5 s.
    assert "The forward pass took 2.5 s, which is 109 GFLOP/s; the whole step 8 s." in said
    assert "emb_dim 768, n_layers 12, n_heads 12, vocab_size 50,257, context_length 1,024, inner width 3,072" in said
    assert "dropout 0.1 / 0.1 / 0.1; training, bfloat16, batch_size 2, seq_len 512" in said
    assert "sgd, recompute full; on 2 &lt;processors&gt;." in said
    inference = measured_caption(GPT2, Workload(), count_flops(GPT2), replace(FOUND, step_seconds=None), "here")
    assert "117 GFLOP/s. JSON" in inference


@pytest.mark.parametrize("changes", [
    {"context_length": 2048}, {"tied_head": True}, {"qkv_bias": True}, {"inner_dim": 100}, {"activation": "relu"},
    {"drop_rate": 0.2}, {"drop_rate_attn": 0.0},
])  # fmt: skip
def test_what_was_measured_is_told_apart_from_every_other_setting(changes):
    counted = count_flops(GPT2, 2, 512)
    said = {measured_caption(config, TRAINING, counted, FOUND, "") for config in (GPT2, replace(GPT2, **changes))}
    assert len(said) == 2


@pytest.mark.parametrize(("length", "said"), [
    (2e-6, "2 µs"),
    (0.0015, "1.5 ms"),
    (2.9164, "2.92 s"),
    (250, "4.17 min"),
    (86400 * 400, "400 days"),
    (86400 * 4e12, "4e+12 days"),
])  # fmt: skip
def test_durations_have_a_sensible_unit(length, said):
    assert duration(length) == said


def test_saved_files_hold_every_formula():
    saved = csv_of(None, *PANELS, *values())
    rows = list(csv.DictReader(io.StringIO(saved["text"])))
    kept = json.loads(json_of(None, *PANELS, *values())["text"])
    calculated = json.loads(json.dumps(record(GPT2, TRAINING, ASKED.after)))
    assert calculated.items() <= kept.items()
    assert kept.keys() - calculated.keys() == {"app", "version", "what", "model", "weights"}
    assert [row["value"] for row in rows] == [str(row["value"]) for row in kept["formulas"]]
    assert {row["section"] for row in rows} == {
        "parameters",
        "memory",
        "memory, whole process",
        "memory, other formulas",
        "operations",
        "after the chapter, key-value cache",
        "after the chapter, at best",
    }


@pytest.mark.parametrize("file_of", [json_of, csv_of])
def test_what_is_impossible_is_not_saved_and_the_page_is_told_why(file_of):
    # Of the last one the bytes can be counted, the operations cannot.
    many = {"context_length": 10**6, "seq_len": 10**6, "batch_size": 10**6, "mode": "inference"}
    mixed = {"mode": "training", "optimizer": "adamw_mixed", "dtype": "float32"}
    for changed, why in (
        ({"emb_dim": 770}, "emb_dim is 770"),
        ({"seq_len": 2000}, "2,?000"),
        (many, "more than a 64-bit number counts"),
        (mixed, "AdamW, float32 master weights keeps .* plain AdamW"),
    ):
        with pytest.raises(ValueError, match=f"Nothing is saved. .*{why}"):
            file_of(None, *PANELS, *values(**changed))


def test_saved_files_hold_what_was_measured_of_these_settings_and_of_no_others():
    measured = Measured(GPT2, TRAINING, "this machine", FOUND)
    kept = json.loads(json_of(measured, *PANELS, *values())["text"])["measurement"]
    assert kept["machine"] == "this machine"
    assert (kept["forward_seconds"], kept["weights"], kept["resident_peak"]) == (2.5, 1, None)
    rows = list(csv.DictReader(io.StringIO(csv_of(measured, *PANELS, *values())["text"])))
    told = {row["name"]: (row["value"], row["unit"]) for row in rows if row["section"] == "measured"}
    assert told["forward"] == ("2500000", "microseconds") and told["weights"] == ("1", "bytes")
    assert "resident_peak" not in told
    said_in_full = values(inner_dim=4 * 768, drop_rate_attn=0.1)
    assert "measured on this machine" in csv_of(measured, *PANELS, *said_in_full)["text"]
    other = values(batch_size=1)
    assert json.loads(json_of(measured, *PANELS, *other)["text"])["measurement"] is None
    assert "measured on this machine" not in csv_of(measured, *PANELS, *other)["text"]


def test_strangers_find_no_measurement_and_no_words_about_one_unless_it_is_allowed(uneven_library):
    def page(*arguments: str) -> str:
        return str(build_page(uneven_library, read_options(list(arguments), {})).get_config_file())

    for arguments, is_there in (
        ([], True),
        (["--public"], False),
        (["--public", "--allow-measuring"], True),
        (["--no-allow-measuring"], False),
    ):
        found = page(*arguments)
        assert ("calc-measure" in found) == is_there
        assert ("'label': 'Measure'" in found) == is_there
        assert ("the tab Measure says it of yours" in found) == is_there
        assert ("measure the real thing on this machine" in found) == is_there

"""The panel on what came after the chapter: figures of the library, and refusals beside their cause."""

import re
from dataclasses import replace

import pytest

from gpt import GPTConfig
from gpt.estimates.cache_variants import Variants, cache_variants
from gpt.estimates.own_rate import OwnRate
from gpt.estimates.roofline import Rates, next_token, prompt
from gpt.estimates.workload import Workload
from gpt.ui.calculator.after_chapter import NAMES, after_chapter
from gpt.ui.calculator.after_chapter_files import after_record, after_sums
from gpt.ui.calculator.after_chapter_inputs import (
    AfterInputs,
    MeasuredRates,
    OwnReading,
    first_inputs,
    refilled,
    whose_rates,
)
from gpt.ui.calculator.estimate_tables import duration
from gpt.ui.common.number_format import percent
from tests.estimates.test_formula import value_of

GPT2 = GPTConfig(tied_head=True)
READING = Workload(seq_len=512)
OWN = OwnReading("a model", "a model", GPT2, "float32", OwnRate(512, 0.64, 0.02))


def asked(**changes) -> AfterInputs:
    return replace(first_inputs(GPT2), **changes)


def test_every_cache_has_its_bytes_and_its_share():
    shown = after_chapter(GPT2, READING, asked(n_kv_groups=3, window=100.0))["variants"]
    rows = cache_variants(GPT2, READING, Variants(n_kv_groups=3, window=100))
    assert [row.name for row in rows] == list(NAMES)
    for row in rows:
        assert f"<td>{row.value:,}</td><td>{percent(row.value / rows[0].value)}</td>" in shown
        assert row.numbers in shown


def test_training_is_asked_about_as_reading():
    trained = replace(READING, mode="training", optimizer="sgd", recompute="full")
    shown, other = (after_chapter(GPT2, workload, asked()) for workload in (READING, trained))
    assert (shown["variants"], shown["best"]) == (other["variants"], other["best"])


def test_times_are_those_of_the_roofline_with_these_rates():
    shown = after_chapter(GPT2, READING, asked(bandwidth=40, arithmetic=50.0))["best"]
    for reading in (f(GPT2, READING, Rates(40e9, 50e9)) for f in (next_token, prompt)):
        assert f"<td>{duration(reading.seconds)}</td>" in shown
        assert f"<td>{reading.bound_by}</td>" in shown


def test_the_apps_own_rate_stands_beside_the_settings_that_it_is_of():
    shown = after_chapter(GPT2, READING, asked(own=OWN))["best"]
    assert "a model, measured" in shown
    assert re.findall("<td><b>(.*?)</b></td>", shown) == ["20 ms", "50", "640 ms", "800"]
    for config, workload in (
        (replace(GPT2, n_layers=13), READING),
        (GPT2, replace(READING, seq_len=511)),
        (GPT2, replace(READING, batch_size=2)),
        (GPT2, replace(READING, dtype="int8")),
    ):
        assert "a model" not in after_chapter(config, workload, asked(own=OWN))["best"]


def test_rates_are_called_measured_only_while_the_fields_show_what_was_measured():
    measured = asked(bandwidth=10.0, arithmetic=120.5, measured=MeasuredRates(10.0, 120.5, "float32"))
    not_measured = "The two rates were not measured: they are examples, or typed."
    in_float32 = "The two rates were measured on this machine, its arithmetic in float32."
    assert whose_rates(READING, asked()) == whose_rates(READING, replace(measured, bandwidth=11)) == not_measured
    assert whose_rates(READING, replace(measured, bandwidth=10)) == in_float32  # as a browser sends a whole number
    for inputs, said in ((asked(), not_measured), (measured, in_float32)):
        assert said in after_chapter(GPT2, READING, inputs)["best"]
        assert after_record(GPT2, READING, inputs)["at_best"]["rates"] == said
        assert [row.source.endswith(said) for _, row in after_sums(GPT2, READING, inputs)].count(True) == 2
    in_bfloat16 = after_chapter(GPT2, replace(READING, dtype="bfloat16"), measured)["best"]
    assert "its arithmetic in float32; the settings are in bfloat16, so measure again." in in_bfloat16


@pytest.mark.parametrize(("wrong", "sentence", "note", "kept"), [
    ({"n_kv_groups": 5}, "n_kv_groups is 5 and n_heads is 12", "variants_note", "variants"),
    ({"window": None}, "window is empty", "variants_note", "variants"),
    ({"local": 1.5}, "blocks with a window is 1.5", "variants_note", "variants"),
    ({"full": None}, "blocks without a window is empty: type a number.", "variants_note", "variants"),
    ({"bandwidth": None}, "Memory in GB/s is empty: type a number.", "best_note", "best"),
    ({"bandwidth": 1e300}, "Memory in GB/s is 1e+300: choose a number from", "best_note", "best"),
    ({"arithmetic": -1}, "Arithmetic in GFLOP/s is -1: choose a number from", "best_note", "best"),
    ({"arithmetic": float("nan")}, "Arithmetic in GFLOP/s is nan: choose a number from", "best_note", "best"),
])  # fmt: skip
def test_what_cannot_be_is_said_and_everything_else_is_shown(wrong, sentence, note, kept):
    shown = after_chapter(GPT2, READING, asked(**wrong))
    assert sentence in shown[note]
    assert "below are still those of the settings before" in shown[note]
    assert kept not in shown
    assert {"variants", "best"} & set(shown)


def test_saved_files_hold_all_that_is_shown():
    inputs = asked(n_kv_groups=3, window=100.0, bandwidth=40, own=OWN)
    rows = cache_variants(GPT2, READING, Variants(n_kv_groups=3, window=100))
    kept = after_record(GPT2, READING, inputs)
    assert kept["caches"]["bytes"] == {row.name: row.value for row in rows}
    assert kept["caches"].items() >= {"n_kv_groups": 3, "window": 100, "local": 5}.items()
    told = list(after_sums(GPT2, READING, inputs))
    assert [row for _, row in told[: len(rows)]] == list(rows)
    for name, reading in {"token": next_token, "prompt": prompt}.items():
        found = reading(GPT2, READING, Rates(40e9, 100e9))
        assert kept["at_best"][name]["seconds"] == found.seconds
        assert kept["at_best"][name]["bound_by"] == found.bound_by
        assert [row.value for section, row in told if "at best" in section and row.name == name] == [
            found.bytes_read.value,
            found.flops.value,
            round(1e9 * found.seconds),
        ]
    assert kept["measured"]["token_seconds"] == 0.02
    assert [(row.name, row.value) for section, row in told if section.endswith("measured")] == [
        ("token", 20_000_000),
        ("prompt", 640_000_000),
    ]


def test_a_time_that_is_saved_is_its_formula_with_the_numbers_put_in():
    for section, row in after_sums(GPT2, READING, asked(bandwidth=12.5)):
        found = value_of(row.numbers)
        assert row.value == (round(1e9 * found) if row.unit == "nanoseconds" else found), section


def test_what_cannot_be_is_left_out_of_saved_files_and_so_is_what_was_measured_of_others():
    trained = replace(READING, mode="training")
    kept = after_record(GPT2, trained, asked(n_kv_groups=5, own=replace(OWN, dtype="int8")))
    assert kept["caches"] is kept["measured"] is None and kept["at_best"] is not None
    assert kept["at_best"] == after_record(GPT2, READING, asked())["at_best"]
    kept = after_record(GPT2, READING, asked(arithmetic=0))
    assert kept["at_best"] is None and kept["caches"] is not None
    assert not list(after_sums(GPT2, READING, asked(n_kv_groups=5, arithmetic=0)))


def test_a_cache_of_float32_beside_int8_weights_is_explained():
    in_int8 = after_chapter(GPT2, replace(READING, dtype="int8"), asked())["variants"]
    assert "float32" in in_int8
    assert in_int8.endswith(after_chapter(GPT2, READING, asked())["variants"])


def test_another_configuration_fills_what_stands_as_the_one_before_filled_it():
    small, odd = GPTConfig(emb_dim=64, n_heads=4, context_length=256), GPTConfig.preset("gpt2-1558M")
    assert odd.n_heads % first_inputs(small).n_kv_groups
    assert refilled(first_inputs(small), small, odd) == first_inputs(odd)
    typed = replace(first_inputs(small), window=77, latent_dim=3)
    assert refilled(typed, small, odd) == replace(first_inputs(odd), window=77, latent_dim=3)


def test_the_first_values_go_with_any_model():
    for n_heads in (1, 2, 9, 25):
        config = GPTConfig(emb_dim=450, n_heads=n_heads, context_length=3)
        shown = after_chapter(config, Workload(seq_len=3), first_inputs(config))
        assert shown["variants_note"] == shown["best_note"] == ""

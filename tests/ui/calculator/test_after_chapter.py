"""The panel on what came after the chapter: figures of the library, and refusals beside their cause."""

import re
from dataclasses import replace

import pytest

from gpt import GPTConfig
from gpt.estimates.cache_variants import Variants, cache_variants
from gpt.estimates.own_rate import OwnRate
from gpt.estimates.roofline import Rates, next_token, prompt
from gpt.estimates.workload import Workload
from gpt.ui.calculator.after_chapter import NAMES, AfterInputs, OwnReading, after_chapter, first_inputs
from gpt.ui.calculator.estimate_tables import duration
from gpt.ui.common.number_format import percent

GPT2 = GPTConfig(tied_head=True)
READING = Workload(seq_len=512)
OWN = OwnReading("a model", GPT2, "float32", OwnRate(512, 0.64, 0.02))


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
        assert "measured" not in after_chapter(config, workload, asked(own=OWN))["best"]


@pytest.mark.parametrize(("wrong", "sentence", "note", "kept"), [
    ({"n_kv_groups": 5}, "n_kv_groups is 5 and n_heads is 12", "variants_note", "variants"),
    ({"window": None}, "window is empty", "variants_note", "variants"),
    ({"local": 1.5}, "blocks with a window is 1.5", "variants_note", "variants"),
    ({"bandwidth": None}, "bytes_per_second is 0", "best_note", "best"),
    ({"arithmetic": -1}, "flops_per_second is -1", "best_note", "best"),
])  # fmt: skip
def test_what_cannot_be_is_said_and_everything_else_is_shown(wrong, sentence, note, kept):
    shown = after_chapter(GPT2, READING, asked(**wrong))
    assert sentence in shown[note]
    assert kept not in shown
    assert {"variants", "best"} & set(shown)


def test_the_first_values_go_with_any_model():
    for n_heads in (1, 2, 9, 25):
        config = GPTConfig(emb_dim=450, n_heads=n_heads, context_length=3)
        shown = after_chapter(config, Workload(seq_len=3), first_inputs(config))
        assert shown["variants_note"] == shown["best_note"] == ""

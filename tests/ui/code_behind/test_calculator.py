"""The code behind the Calculator's panels computes, and measures, what they show."""

import json
from typing import Any

import pytest

from gpt.ui.calculator.estimate_tables import duration
from tests.ui.code_behind.pasted import executed, text_of
from tests.ui.visitor import Visitor

PARTS = ("weights", "gradients", "optimizer", "activations", "kv_cache", "logits", "peak")


@pytest.fixture
def calculator(looking) -> Visitor:
    looking.put(
        calc_emb_dim=48, calc_n_heads=6, calc_n_layers=7, calc_vocab_size=300, calc_context_length=256,
        calc_tied_head=True, calc_mode="training", calc_dtype="float32", calc_seq_len=256, calc_batch_size=3,
        calc_n_kv_groups=3, calc_window=100, calc_local=2, calc_full=1, calc_latent_dim=40, calc_bandwidth=12.5,
        calc_arithmetic=80,
    )  # fmt: skip
    looking.fire("calc-n_layers", "input")
    return looking


def kept(visitor: Visitor) -> dict[str, Any]:
    """What the page saves: all that it shows."""
    return json.loads(visitor.saved("calc-json")["text"])


def test_parameters_memory_and_operations_are_those_of_the_fields(calculator):
    shown = kept(calculator)
    parameters = executed(calculator, "calc-parameters-code")["parameters"]
    assert parameters.total == shown["parameters"]["total"]
    assert parameters.by_component == shown["parameters"]["by_component"]
    memory = executed(calculator, "calc-memory-code")["memory"]
    assert memory.activations > 0
    assert all(getattr(memory, name) == size for name, size in shown["memory_bytes"].items() if name != "resident")
    found = executed(calculator, "calc-flops-code")
    assert found["operations"] == shown["flops"]["by_component"]
    assert found["forward"] == shown["flops"]["forward"]
    assert found["training"] == shown["flops"]["training"]


def test_the_same_is_measured_as_by_the_button(calculator):
    calculator.fire("calc-measure")
    shown, table = kept(calculator), calculator.value("calc-measured")
    names = executed(calculator, "calc-measure-code")
    found, estimate = names["found"], names["estimate"]
    for name in PARTS:
        assert getattr(found, name) == shown["measurement"][name]
        assert getattr(estimate, name) == shown["memory_bytes"][name]
        assert not getattr(found, name) or f"<td>{getattr(found, name):,}</td>" in table
    assert names["resident"] == shown["memory_bytes"]["resident"]
    assert found.resident_peak == pytest.approx(shown["measurement"]["resident_peak"], rel=0.05)


def test_caches_and_times_at_best_are_those_of_the_panel(calculator):
    found, shown = executed(calculator, "calc-after-code"), kept(calculator)["after_the_chapter"]
    assert found["caches"] == shown["caches"]["bytes"]
    assert found["seconds"] == {name: shown["at_best"][name]["seconds"] for name in ("token", "prompt")}
    assert all(f"<td>{duration(each)}</td>" in calculator.value("calc-best") for each in found["seconds"].values())
    assert all(f"<td>{size:,}</td>" in calculator.value("calc-variants") for size in found["caches"].values())
    assert "own" not in found


@pytest.mark.parametrize(("wrong", "there", "gone"), [
    ({"calc_n_kv_groups": 5}, "seconds", "caches"),
    ({"calc_bandwidth": 0}, "caches", "seconds"),
])  # fmt: skip
def test_what_is_refused_has_no_lines(calculator, wrong, there, gone):
    calculator.put(**wrong)
    calculator.fire("calc-n_layers", "input")
    found = executed(calculator, "calc-after-code")
    assert there in found and gone not in found


def test_int8_is_not_measured_and_has_no_lines_for_that(calculator):
    calculator.put(calc_mode="inference", calc_dtype="int8")
    calculator.fire("calc-n_layers", "input")
    assert text_of(calculator, "calc-measure-code") == ""
    found, shown = executed(calculator, "calc-after-code"), kept(calculator)["after_the_chapter"]
    assert found["caches"] == shown["caches"]["bytes"]
    assert found["seconds"]["token"] == shown["at_best"]["token"]["seconds"]


def test_the_apps_own_rate_is_measured_again_with_the_loaded_model(calculator):
    calculator.fire("calc-preset-Loaded")
    calculator.put(calc_mode="inference", calc_batch_size=1)
    calculator.fire("calc-rates")
    found, shown = executed(calculator, "calc-after-code"), kept(calculator)["after_the_chapter"]
    assert found["own"].n_tokens == shown["measured"]["n_tokens"] == calculator.value("calc-seq_len")
    assert 0.1 < found["own"].token_seconds / shown["measured"]["token_seconds"] < 10
    assert found["bandwidth"] == shown["at_best"]["bytes_per_second"]
    assert found["seconds"]["prompt"] == shown["at_best"]["prompt"]["seconds"]

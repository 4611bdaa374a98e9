"""The files of the Calculator: every formula, every setting."""

import json
from dataclasses import asdict, astuple

import pytest

from gpt import GPTConfig, count_parameters
from gpt.estimates.budget import memory_of
from gpt.estimates.cache_variants import Variants, cache_variants
from gpt.estimates.flops import count_flops
from gpt.estimates.resident_memory import resident_peak
from gpt.estimates.workload import Workload
from gpt.ui.calculator.setting_controls import ConfigControls, WorkloadControls

from .tables import table

CONFIG = GPTConfig(1000, 128, 96, 3, 5, drop_rate=0.2, qkv_bias=True, tied_head=True)


WORKLOAD = Workload("bfloat16", 3, 64, "training", "adam", "selective")


@pytest.fixture
def calculator(visitor):
    """The visitor with the fields of the Calculator filled in, none of them as it was."""
    controls = (*ConfigControls.__dataclass_fields__, *WorkloadControls.__dataclass_fields__)
    visitor.put(**{f"calc_{name}": (asdict(CONFIG) | asdict(WORKLOAD))[name] for name in controls})
    return visitor


def test_the_sums_are_all_formulas_of_the_settings_in_the_fields(calculator):
    variants = Variants(n_kv_groups=3, window=16, local=2, full=1, latent_dim=10)
    calculator.put(**{f"calc_{name}": value for name, value in asdict(variants).items()})
    header, rows = table(calculator.saved("calc-csv"), "calculator-calculation")
    memory, flops = memory_of(CONFIG, WORKLOAD), count_flops(CONFIG, 3, 64, "selective")
    sections = {
        "parameters": count_parameters(CONFIG).formulas,
        "memory": memory.formulas,
        "memory, whole process": [resident_peak(CONFIG, WORKLOAD)],
        "memory, other formulas": memory.alternatives,
        "operations": flops.formulas,
        "after the chapter, key-value cache": cache_variants(CONFIG, Workload("bfloat16", 3, 64), variants),
    }
    assert header == ["section", "name", "symbols", "numbers", "value", "unit", "source"]
    expected = [
        [section, *map(str, astuple(formula))] for section, formulas in sections.items() for formula in formulas
    ]
    assert rows[: len(expected)] == expected
    # The times rest on the two rates of the panel: ui/calculator/test_after_chapter.py.
    assert {section for section, *_ in rows[len(expected) :]} == {"after the chapter, at best"}


def test_the_calculation_has_every_setting_and_every_figure(calculator):
    saved = json.loads(calculator.saved("calc-json")["text"])
    own = {"config", "workload", "parameters", "memory_bytes", "flops", "formulas", "measurement", "after_the_chapter"}
    assert set(saved) == {"app", "version", "what", "model", "weights", *own}
    assert saved["measurement"] is None
    assert saved["config"] == asdict(CONFIG)
    assert saved["workload"] == asdict(WORKLOAD)
    counts, memory, flops = (
        count_parameters(CONFIG),
        memory_of(CONFIG, WORKLOAD),
        count_flops(CONFIG, 3, 64, "selective"),
    )
    assert saved["parameters"] == figures(counts)
    assert saved["memory_bytes"] == figures(memory) | {"resident": resident_peak(CONFIG, WORKLOAD).value}
    assert saved["flops"] == figures(flops)
    _, rows = table(calculator.saved("calc-csv"), "calculator-calculation")
    assert [list(map(str, formula.values())) for formula in saved["formulas"]] == rows


def figures(result: object) -> dict:
    """All fields of a result but its formulas."""
    return {name: value for name, value in vars(result).items() if name not in ("formulas", "alternatives")}

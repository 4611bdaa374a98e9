"""The library computes the definitions, is opened once, and is done without where it cannot be had."""

import logging
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from math import inf, nan
from threading import Event

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt.engine import compiled
from gpt.engine.build import BuildError
from gpt.engine.compiled import (
    compiled_library,
    is_being_built,
    open_library,
    start_building,
    wait_until_built,
    why_not_compiled,
)
from gpt.engine.panel_layout import in_panels, to_panels
from gpt.engine.precision import to_steps
from gpt.engine.text_reader import ModuleReader, text_reader
from gpt.generation import generate

from .tiny import IDS, a_model, needs_library

pytestmark = needs_library

FORMATS = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2}
AS_IT_IS, TO_BFLOAT16, TO_STEPS = range(3)
BLOCK = 1024  # of whole numbers that an int32 sum holds


def product(weight, x, scale=None, bias=None, rounding=AS_IT_IS, n_threads=1):
    """multiply of engine.h: weight (out, in), x (n, in) -> (n, out)."""
    library, out = compiled_library(), len(weight)
    rows = [torch.zeros(in_panels(out)) if each is not None else None for each in (scale, bias)]
    for row, numbers in zip(rows, (scale, bias), strict=True):
        if row is not None:
            row[:out] = numbers
    linear, panels = library.ffi.new("Linear *"), to_panels(weight, library)
    linear.panels = library.pointer(panels)
    linear.scale, linear.bias = (library.pointer(row, "float *") for row in rows)
    linear.out, linear.format, linear.rounding = out, FORMATS[weight.dtype], rounding
    setattr(linear, "in", weight.shape[1])
    y = torch.full((len(x), in_panels(out)), nan)
    room = torch.empty(library.c.room_to_multiply(linear, len(x)), dtype=torch.uint8)
    pointers = library.pointer(x, "float *"), len(x), library.pointer(y, "float *"), library.pointer(room)
    library.c.multiply(linear, *pointers, n_threads)
    return y[:, :out]


# Tiles are of up to 12 rows; panels of 32 outputs.
@given(
    st.integers(1, 40),
    st.integers(1, 70),
    st.integers(1, 70) | st.integers(1020, 1030),
    st.sampled_from([torch.float32, torch.bfloat16]),
    st.booleans(),
)
def test_products_of_every_size_are_the_sums_of_the_definition(n, out, n_in, dtype, with_bias):
    weight, x = torch.randn(out, n_in).to(dtype), torch.randn(n, n_in)
    bias = torch.randn(out) if with_bias else None
    expected = x.double() @ weight.double().t() + (0 if bias is None else bias)
    torch.testing.assert_close(product(weight, x, bias=bias).double(), expected, atol=1e-4, rtol=1e-5)


@given(
    st.integers(1, 14),
    st.integers(1, 40),
    st.integers(1, 40) | st.integers(1020, 1030) | st.integers(2047, 2050),
    st.booleans(),
    st.booleans(),
)
def test_products_of_int8_weights_are_whole_sums_to_the_bit(n, out, n_in, with_bias, largest):
    weight = torch.randint(-127, 128, (out, n_in)).to(torch.int8)
    x = torch.randn(n, n_in)
    if largest:  # as far as a sum can go
        weight, x = torch.full_like(weight, 127), torch.full_like(x, 3.0)
    scale, bias = torch.rand(out), torch.randn(out) if with_bias else None
    step = (x.abs().amax(-1, keepdim=True) / 16383).clamp_min(torch.finfo(torch.float32).tiny)
    whole = (x / step).round().long()
    sums = torch.zeros(n, out)
    for start in range(0, n_in, BLOCK):
        sums = sums + (whole[:, start : start + BLOCK] @ weight[:, start : start + BLOCK].long().t()).float()
    expected = sums * step * scale
    if bias is not None:
        expected = expected + bias
    assert torch.equal(product(weight, x, scale, bias, TO_STEPS), expected)


@pytest.mark.parametrize("n_rows", [1, 3])
def test_inputs_are_rounded_to_bfloat16_as_torch_rounds_them(n_rows):
    numbers = [1.0, 1 + 2**-8, 1 + 3 * 2**-8, -(1 + 2**-9), 3e38, 3.4e38, 1e-40, 0.0, -0.0, inf, -inf, nan]
    x = torch.tensor(numbers)
    found = torch.stack([product(torch.ones(1, 1), each.expand(n_rows, 1).contiguous(), rounding=1)[-1] for each in x])
    assert torch.equal(found[:, 0].nan_to_num(7), x.bfloat16().float().nan_to_num(7))


@pytest.mark.parametrize("n", [1, 2, 7, 40, 78])
def test_inputs_of_int8_layers_are_rounded_to_the_steps_that_torch_takes(n):
    x = torch.randn(3, n)
    each_alone = torch.eye(n).to(torch.int8)
    assert torch.equal(product(each_alone, x, torch.ones(n), rounding=TO_STEPS), to_steps(x))


@pytest.mark.parametrize("bad", [inf, -inf, nan])
@pytest.mark.parametrize("rounding", [AS_IT_IS, TO_BFLOAT16, TO_STEPS])
def test_a_row_with_a_number_that_is_not_finite_is_not_finite_and_the_others_are(rounding, bad):
    weight = torch.randint(1, 100, (40, 33)).to(torch.int8 if rounding == TO_STEPS else torch.float32)
    x = torch.rand(3, 33)
    x[1, 5] = bad
    y = product(weight, x, torch.ones(40) if rounding == TO_STEPS else None, rounding=rounding)
    assert not y[1].isfinite().any()
    assert y[0].isfinite().all()
    assert y[2].isfinite().all()


@pytest.mark.parametrize("n_threads", [2, 3, 64, 200])
def test_any_number_of_threads_gives_the_same_product(n_threads):
    weight, x = torch.randn(300, 64), torch.randn(5, 64)
    assert torch.equal(product(weight, x, n_threads=n_threads), product(weight, x))


# One library for a process


@pytest.fixture
def builder(monkeypatch):
    """A process that has not looked for its library yet."""
    afresh = compiled._Builder()
    monkeypatch.setattr(compiled, "_builder", afresh)
    return afresh


def test_it_is_opened_once(builder, monkeypatch):
    opened = []
    monkeypatch.setattr(compiled, "open_library", lambda: opened.append(time.sleep(0.05)) or object())
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: compiled_library(), range(16)))
    assert len(opened) == 1
    assert found == [found[0]] * 16
    assert found[0] is not None
    assert builder.problem == ""


@pytest.mark.usefixtures("builder")
def test_while_it_is_built_text_comes_by_torch_and_nobody_waits(monkeypatch):
    library, may_go_on = open_library(), Event()
    monkeypatch.setattr(compiled, "open_library", lambda: may_go_on.wait(60) and library)
    start_building()
    start_building()
    assert compiled_library() is None
    assert is_being_built()
    assert why_not_compiled() == ""
    model = a_model()
    assert isinstance(text_reader(model, 5), ModuleReader)
    running = generate(model, IDS, 8, temperature=0)
    begun = [next(running) for _ in range(4)]
    may_go_on.set()
    assert wait_until_built() is library
    assert compiled_library() is library
    assert not is_being_built()
    assert not isinstance(text_reader(model, 5), ModuleReader)
    by_torch = begun + list(running)
    by_library = list(generate(model, IDS, 8, temperature=0))
    assert [step.token_id for step in by_torch] == [step.token_id for step in by_library]
    start_building()
    assert compiled_library() is library


@pytest.mark.usefixtures("builder")
def test_without_a_build_in_the_background_waiting_is_asking(monkeypatch):
    library = object()
    monkeypatch.setattr(compiled, "open_library", lambda: library)
    assert wait_until_built() is library


@pytest.mark.usefixtures("builder")
@pytest.mark.parametrize("in_background", [True, False])
def test_a_failed_build_is_one_line_in_the_log_and_not_tried_again(in_background, monkeypatch, caplog):
    tried = []

    def fail():
        tried.append(1)
        raise BuildError("cc failed: no such flag")

    monkeypatch.setattr(compiled, "open_library", fail)
    with caplog.at_level(logging.INFO):
        if in_background:
            start_building()
        assert wait_until_built() is None
        assert compiled_library() is None
    assert tried == [1]
    assert [record.getMessage() for record in caplog.records] == [
        "Text is computed by torch, which is slower: cc failed: no such flag"
    ]
    assert why_not_compiled() == "cc failed: no such flag"
    assert isinstance(text_reader(a_model(), 5), ModuleReader)


def test_other_processors_are_refused(monkeypatch):
    monkeypatch.setattr(sys, "byteorder", "big")
    with pytest.raises(BuildError, match="little-endian"):
        open_library()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 has levels")
def test_a_processor_without_fused_multiply_adds_is_refused():
    with pytest.raises(BuildError, match="needs x86-64-v3"):
        open_library("x86-64-v2")


# Checking

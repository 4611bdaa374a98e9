"""The C files are compiled once, kept for later, checked before use, and done without where they cannot be had."""

import ctypes
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from gpt import compiled
from gpt.compiled import compiled_library, linear, multiply, multiply_rows
from gpt.kernels import to_steps

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


@pytest.fixture(autouse=True)
def afresh():
    """Each test has the library looked for again, and leaves none of its own behind."""
    compiled_library.cache_clear()
    yield
    compiled_library.cache_clear()


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A folder with a copy of the sources, and nothing compiled yet, where the library is now looked for."""
    for name in (*compiled._SOURCES, *compiled._HEADERS):
        shutil.copy(compiled._FOLDER / name, tmp_path)
    monkeypatch.setattr(compiled, "_FOLDER", tmp_path)
    return tmp_path


@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from(["rows", "turned", "bfloat16", "int8"]), st.booleans())
def test_products_of_every_size_and_format(rows, columns, kind, with_bias):
    weight = a_weight(rows, columns, kind)
    x, bias = torch.randn(1, columns), torch.randn(rows) if with_bias else None
    layer = linear(weight, bias)
    assert layer is not None
    expected = F.linear(x.double(), weight.double(), None if bias is None else bias.double()).float()
    torch.testing.assert_close(multiply(compiled_library(), layer, x), expected, atol=1e-3, rtol=1e-5)


# Tiles are of 6 rows, of two vectors of outputs, and of 384 inputs (768 int8 ones).
@given(
    st.integers(1, 14),
    st.integers(1, 70),
    st.integers(1, 40) | st.integers(380, 390),
    st.sampled_from(["rows", "turned", "bfloat16", "int8"]),
    st.booleans(),
)
def test_products_of_many_rows_of_every_size_and_format(n, rows, half_columns, kind, with_bias):
    weight = a_weight(rows, 2 * half_columns, kind)
    x, scale, bias = torch.randn(n, 2 * half_columns), torch.rand(rows), torch.randn(rows) if with_bias else None
    layer = linear(weight, bias, scale, rounds_input=kind == "int8")
    assert layer is not None
    rounded = to_steps(x) if kind == "int8" else x
    expected = F.linear(rounded.double(), weight.double()) * scale + (0 if bias is None else bias)
    found = multiply_rows(compiled_library(), layer, x)
    torch.testing.assert_close(found.double(), expected, atol=1e-6 * float(expected.abs().max()), rtol=1e-4)


def a_weight(rows, columns, kind):
    weight = torch.randn(rows, columns)
    if kind == "turned":
        return weight.t().contiguous().t()
    if kind == "int8":
        return (30 * weight).clamp(-127, 127).to(torch.int8)
    return weight.bfloat16() if kind == "bfloat16" else weight


def test_inputs_are_rounded_to_bfloat16_as_torch_rounds_them():
    numbers = [1.0, 1 + 2**-8, 1 + 3 * 2**-8, -(1 + 2**-9), 3e38, 1e-40, 0.0, -0.0, torch.inf, -torch.inf, torch.nan]
    weight = torch.ones(1, 1).bfloat16()
    one = linear(weight, None, rounds_input=True)
    found = torch.cat([multiply(compiled_library(), one, torch.tensor([number])) for number in numbers])
    together = multiply_rows(compiled_library(), one, torch.tensor(numbers)[:, None])[:, 0]
    for each in (found, together):
        assert torch.equal(each.nan_to_num(7), torch.tensor(numbers).bfloat16().float().nan_to_num(7))


@pytest.mark.parametrize("n", [2, 6, 8, 40, 78])
def test_inputs_of_int8_layers_are_rounded_to_the_steps_that_torch_takes(n):
    x, scale = torch.randn(n), torch.ones(n)
    each_alone = torch.eye(n).to(torch.int8)
    layer = linear(each_alone, None, scale, rounds_input=True)
    library = compiled_library()
    assert torch.equal(multiply(library, layer, x), to_steps(x))
    torch.testing.assert_close(multiply_rows(library, layer, x.expand(3, n))[2], to_steps(x), atol=0, rtol=1e-6)


@pytest.mark.parametrize(
    "weight",
    [torch.zeros(3, 4, dtype=torch.float64), torch.zeros(3, 4, device="meta"), torch.zeros(3, 8)[:, ::2]],
    ids=["float64", "elsewhere", "gaps"],
)
def test_tensors_that_cannot_be_read_are_refused(weight):
    assert linear(weight, None) is None
    assert linear(torch.zeros(3, 4), torch.zeros(3, dtype=torch.float64)) is None


def test_a_second_process_finds_what_the_first_has_compiled(monkeypatch):
    assert compiled_library() is not None
    compiled_library.cache_clear()
    monkeypatch.setattr(compiled, "_compile", lambda *_: pytest.fail("compiled again"))
    assert compiled_library() is not None


def test_a_folder_that_cannot_be_written_to_is_no_hindrance(sources):
    (sources / "__pycache__").write_text("a file where a folder should be")
    assert compiled_library() is not None


@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("compiler", ["/does/not/exist", "false"])
def test_no_compiler_no_library(monkeypatch, compiler):
    monkeypatch.setenv("CC", compiler)
    assert compiled_library() is None


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("one_token.c", "sum += lanes[i]", "sum -= lanes[i]"),
        ("many_rows.c", "sums[i] * step", "sums[i] / step"),
        ("linear.h", "x[i] / step", "x[i] * step"),
        ("vectors.h", "series = 1 + r", "series = 1 - r"),
        ("logits.c", "logits[i] >= least", "logits[i] > least"),
    ],
)
def test_a_library_that_computes_something_else_is_not_used(sources, name, right, wrong):
    text = (sources / name).read_text()
    assert right in text
    (sources / name).write_text(text.replace(right, wrong))
    assert compiled_library() is None


def test_without_openmp_one_thread_does_it_all(monkeypatch):
    opened = compiled._open

    def without_openmp(compiler, flags):
        if "-fopenmp" in flags:
            raise OSError("undefined symbol")
        return opened(compiler, flags)

    monkeypatch.setattr(compiled, "_open", without_openmp)
    library = compiled_library()
    assert isinstance(library, ctypes.CDLL)

"""Panels hold every number of a weight once, and nothing else; the library and torch make the same ones."""

import mmap

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt.engine.compiled import compiled_library
from gpt.engine.panel_layout import PANEL, empty_in_huge_pages, from_panels, in_panels, panels_shape, to_panels

from .tiny import HAS_COMPILER, threads

FORMATS = [torch.float32, torch.bfloat16, torch.int8]
# Panels are of 32 outputs, and 64 inputs are packed at a time.
OUTS = st.integers(1, 70)
INS = st.integers(1, 70) | st.integers(120, 135)


def a_weight(out: int, n_in: int, dtype: torch.dtype, layout: str) -> torch.Tensor:
    weight = torch.arange(1, out * n_in + 1).view(out, n_in) % 127 + 1
    weight = weight.to(dtype)
    if layout == "transposed":
        return weight.t().contiguous().t()
    return weight.repeat_interleave(3, 1)[:, ::3] if layout == "with gaps" else weight


@given(OUTS, INS, st.sampled_from(FORMATS), st.sampled_from(["as it is", "transposed", "with gaps"]))
def test_panels_of_every_shape_by_both_ways(out, n_in, dtype, layout):
    weight = a_weight(out, n_in, dtype, layout)
    for library in {None, compiled_library()}:
        panels = to_panels(weight, library)
        assert panels.shape == panels_shape(out, n_in, dtype)
        assert torch.equal(from_panels(panels, out, n_in), weight)
        # Every other number is 0, and no number of the weight is.
        assert int(panels.count_nonzero()) == weight.numel()


@pytest.mark.parametrize("dtype", FORMATS)
def test_where_a_number_lies(dtype):
    panels = to_panels(a_weight(70, 9, dtype, "as it is"), None)
    expected = a_weight(70, 9, dtype, "as it is")[67, 5]
    # c/engine.h: (out / 32, in, 32), and (out / 32, in / 2, 32, 2) for int8.
    assert (panels[2, 2, 3, 1] if dtype is torch.int8 else panels[2, 5, 3]) == expected


@pytest.mark.skipif(not HAS_COMPILER, reason="there is no C compiler")
@pytest.mark.parametrize("dtype", FORMATS)
def test_any_number_of_threads_packs_the_same(dtype):
    weight = a_weight(200, 77, dtype, "as it is")
    with threads(1):
        alone = to_panels(weight, compiled_library())
    with threads(3):
        assert torch.equal(to_panels(weight, compiled_library()), alone)


def test_whole_panels():
    assert [in_panels(n) for n in (0, 1, 31, 32, 33, 64)] == [0, 32, 32, 32, 64, 64]
    assert PANEL == 32


def test_large_memory_lies_in_whole_huge_pages_and_outlives_its_maker():
    small, large = empty_in_huge_pages((5, 7), torch.float32), empty_in_huge_pages((3, 2**20), torch.bfloat16)
    assert (small.shape, small.dtype) == ((5, 7), torch.float32)
    assert (large.shape, large.dtype) == ((3, 2**20), torch.bfloat16)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        assert large.data_ptr() % 2**21 == 0
    large.fill_(3)
    view = large[1:]
    del large
    assert bool((view == 3).all())


def test_a_system_without_huge_pages_gives_plain_memory(monkeypatch):
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    assert empty_in_huge_pages((3, 2**20), torch.float32).fill_(1).sum() == 3 * 2**20


def test_a_weight_without_numbers_is_an_error_and_no_crash():
    with pytest.raises((RuntimeError, NotImplementedError)):
        to_panels(torch.empty(40, 40, device="meta"), compiled_library())

"""Numbers as the page writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.ui.common.number_format import (
    bits,
    chance,
    counted,
    exact_size,
    fine_chance,
    fine_percent,
    percent,
    real,
    size,
)


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0, "0 %"), (1, "100 %"), (0.1578, "15.8 %"), (0.0731, "7.31 %"), (1e-9, "< 0.01 %"), (0.99999, "> 99.9 %"),
     (0.1, "10.0 %"), (0.0999, "9.99 %"), (0.0001, "0.01 %"), (0.00009, "< 0.01 %"), (0.9994, "99.9 %"),
     (-0.25, "-25.0 %"), (-1e-9, "> -0.01 %"), (12, "1,200.0 %")],
)  # fmt: skip
def test_percent(probability, text):
    assert percent(probability) == text


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_what_can_happen_is_never_shown_as_impossible_nor_as_certain(probability):
    assert percent(probability) not in ("0 %", "0.00 %", "100 %", "100.0 %")


@pytest.mark.parametrize("rounded", [0.0, 1.0])
def test_a_softmax_that_float32_rounds_to_0_or_1_is_neither(rounded):
    assert chance(rounded) == ("> 99.9 %" if rounded else "< 0.01 %")
    assert fine_chance(rounded) == ("> 99.9 %" if rounded else "< 0.0001 %")
    assert (chance(0.1578), fine_chance(0.04482)) == ("15.8 %", "4.48 %")


def test_sizes_are_binary_and_exact():
    # Chapter 4, section 4.6: 163,009,536 float32 parameters are 621.83 MB of 2^20 bytes.
    assert exact_size(4 * 163_009_536) == "621.83 MiB = 652,038,144 bytes"
    assert (size(0), size(1023), size(1024), size(2**60)) == ("0 bytes", "1023 bytes", "1.00 KiB", "1,048,576.00 TiB")
    assert exact_size(12) == "12 bytes"


def test_bits_beyond_reading_are_written_as_powers_of_ten():
    assert (bits(2.984), bits(0), bits(7.7636e20)) == ("2.98 bits", "0.00 bits", "7.764 × 10²⁰ bits")


@pytest.mark.parametrize(("probability", "text"), [
    (0, "0 %"), (1, "100 %"), (0.158049, "15.8 %"), (0.04482, "4.48 %"), (0.0000214, "0.00214 %"),
    (1.234e-6, "0.000123 %"), (9e-7, "< 0.0001 %"), (0.9995, "> 99.9 %"), (0.9994, "99.9 %"), (0.5, "50.0 %"),
])  # fmt: skip
def test_fine_percent_has_three_digits_that_matter(probability, text):
    assert fine_percent(probability) == text


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_fine_percentage_is_never_shown_as_impossible_nor_as_certain(probability):
    assert fine_percent(probability) not in ("0 %", "0.00 %", "100 %", "100.0 %")


@pytest.mark.parametrize(("value", "text"), [
    (0.13244, "0.1324"), (12.34567, "12.3457"), (-99.99994, "-99.9999"), (100, "100.0"), (2987.14, "2,987.1"),
    (2.1394e13, "2.139 × 10¹³"), (-1e6, "-1.000 × 10⁶"), (-0.00001, "0.0000"), (0, "0.0000"),
])  # fmt: skip
def test_a_real_number_has_four_decimals_where_they_say_something(value, text):
    assert real(value) == text


@pytest.mark.parametrize(
    ("said", "text"),
    [(counted(1, "token"), "1 token"), (counted(0, "token"), "0 tokens"), (counted(1024, "row"), "1,024 rows"),
     (counted(1.0, "second", "g"), "1 second"), (counted(0.5, "second", "g"), "0.5 seconds"),
     (counted(1.02, "bit", ".1f"), "1.0 bits"), (size(1), "1 byte"), (exact_size(0), "0 bytes")],
)  # fmt: skip
def test_one_has_no_s(said, text):
    assert said == text

"""The text of a formula, the numbers put in and the value are the same sum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.estimates.formula import Term, constant, largest, symbol, total

_SUPERSCRIPTS = {"²": "**2", "³": "**3"}


def value_of(numbers: str) -> int:
    """What a formula with the numbers put in comes to, worked out from its text alone."""
    for superscript, power in _SUPERSCRIPTS.items():
        numbers = numbers.replace(superscript, power)
    return eval(numbers.replace(", ", ";").replace(",", "").replace(";", ", ").replace("·", "*"))


def test_a_formula_reads_as_it_is_written():
    d, L = symbol("d", 768), symbol("L", 12)
    row = (L * (4 * d**2 + d) + 2 * d).formula("attention", "parameters", "chapter 4")
    assert row.symbols == "L · (4 · d² + d) + 2 · d"
    assert row.numbers == "12 · (4 · 768² + 768) + 2 · 768"
    assert row.value == 12 * (4 * 768**2 + 768) + 2 * 768


def test_powers_of_products_and_sums_are_bracketed():
    d, s = symbol("d", 3), symbol("s", 5)
    assert ((2 * d) ** 2).symbols == "(2 · d)²"
    assert ((d + s) ** 2).numbers == "(3 + 5)²"
    assert ((d**2) ** 3).symbols == "(d²)³"


def test_nothing_is_said_of_what_is_zero():
    d, zero = symbol("d", 3), symbol("z", 0)
    assert total(zero, d, zero).symbols == "d"
    assert largest(zero, d).symbols == "d"
    assert total(zero, zero) == constant(0)
    assert largest(d, constant(7)).symbols == "max(d, 7)"


letters = st.builds(symbol, st.sampled_from("bsdLhV"), st.integers(0, 10**6))
terms = st.recursive(
    letters,
    lambda inner: st.one_of(
        st.builds(Term.__add__, inner, inner),
        st.builds(Term.__mul__, inner, inner),
        st.builds(Term.__pow__, inner, st.sampled_from([2, 3])),
        st.builds(largest, inner, inner),
        st.builds(total, inner, inner, inner),
    ),
    max_leaves=8,
)


@given(terms)
def test_the_numbers_put_in_come_to_the_value(term):
    assert value_of(term.numbers) == term.value


@pytest.mark.parametrize("number", [0, 7, 1234567])
def test_numbers_group_their_digits(number):
    assert symbol("N", number).numbers == f"{number:,}"

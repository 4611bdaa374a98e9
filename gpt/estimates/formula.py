"""Whole numbers that keep how they were computed, so that a page can show the calculation.

The text of a formula, its text with the numbers put in, and its value all come from one expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SUPERSCRIPTS = str.maketrans("0123456789", _RAISED)


@dataclass(frozen=True)
class Formula:
    """One computed figure: symbols = numbers = value, e.g. N · B = 163,009,536 · 4 = 652,038,144 bytes."""

    name: str
    symbols: str
    numbers: str
    value: int
    unit: str
    source: str


@dataclass(frozen=True)
class Term:
    """A number with its text in symbols and in digits. Add, multiply and raise it like an int."""

    value: int
    symbols: str
    numbers: str
    is_sum: bool = False

    def __add__(self, other: Term | int) -> Term:
        other = _term(other)
        return Term(
            self.value + other.value,
            f"{self.symbols} + {other.symbols}",
            f"{self.numbers} + {other.numbers}",
            is_sum=True,
        )

    def __sub__(self, other: Term) -> Term:
        other = _bracketed(other)
        return Term(
            self.value - other.value,
            f"{self.symbols} - {other.symbols}",
            f"{self.numbers} - {other.numbers}",
            is_sum=True,
        )

    def __mul__(self, other: Term | int) -> Term:
        left, right = _bracketed(self), _bracketed(_term(other))
        return Term(
            left.value * right.value,
            f"{left.symbols} · {right.symbols}",
            f"{left.numbers} · {right.numbers}",
        )

    def __rmul__(self, other: int) -> Term:
        return _term(other) * self

    def __pow__(self, exponent: int) -> Term:
        symbols, numbers = map(_base, (self.symbols, self.numbers))
        power = str(exponent).translate(_SUPERSCRIPTS)
        return Term(self.value**exponent, symbols + power, numbers + power)

    def formula(self, name: str, unit: str, source: str) -> Formula:
        """This term as a figure to show."""
        return Formula(name, self.symbols, self.numbers, self.value, unit, source)


def symbol(name: str, value: int) -> Term:
    """A letter that stands for a number."""
    return Term(value, name, f"{value:,}")


def constant(value: int) -> Term:
    """A number that stands for itself."""
    return Term(value, f"{value:,}", f"{value:,}")


def largest(*terms: Term) -> Term:
    """The largest of some terms, written max(…, …), without those that are 0."""
    counted = _not_zero(terms)
    if len(counted) == 1:
        return counted[0]
    return Term(
        max(term.value for term in counted),
        f"max({', '.join(term.symbols for term in counted)})",
        f"max({', '.join(term.numbers for term in counted)})",
    )


def total(*terms: Term) -> Term:
    """The sum of some terms, without those that are 0."""
    first, *others = _not_zero(terms)
    return reduce(Term.__add__, others, first)


def _not_zero(terms: tuple[Term, ...]) -> list[Term]:
    return [term for term in terms if term.value] or [constant(0)]


def _term(number: Term | int) -> Term:
    return number if isinstance(number, Term) else constant(number)


def _base(text: str) -> str:
    """What can be raised to a power: brackets around anything but one letter or number."""
    return f"({text})" if " " in text or text[-1] in _RAISED else text


def _bracketed(term: Term) -> Term:
    return Term(term.value, f"({term.symbols})", f"({term.numbers})") if term.is_sum else term

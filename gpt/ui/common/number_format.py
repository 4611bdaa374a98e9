"""Numbers as the page writes them: a sensible precision, always a unit, never a false zero."""

import sys
from math import inf

MANY = 1e6  # from here on a number is written as a power of ten
_SMALLEST = sys.float_info.epsilon
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNITS = ("KiB", "MiB", "GiB", "TiB")


def percent(share: float) -> str:
    """12.4 %, 0.57 %, < 0.01 % or > 99.9 %: only what is exactly 0 or 1 is shown as 0 % or 100 %.

    A share of a difference may be negative.
    """
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    if share < 0:
        return "> -0.01 %" if share > -0.0001 else f"-{percent(-share)}"
    if share < 0.0001:
        return "< 0.01 %"
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    return f"{100 * share:,.{1 if share >= 0.1 else 2}f} %"


def fine_percent(probability: float) -> str:
    """15.8 %, 4.48 %, 0.00214 % or < 0.0001 %: three significant digits, to compare improbable tokens."""
    shown = 100 * probability
    if 0 < shown < 0.0001:
        return "< 0.0001 %"
    if 99.95 <= shown < 100:
        return "> 99.9 %"
    return f"{shown:#.3g} %".replace(". ", " ") if shown else "0 %"


def chance(probability: float, among: int = 2) -> str:
    """As `percent`, for a probability of a softmax over `among` tokens. That of a single token is 1.

    Among several it is never 0 or 1, also where float32 rounds it so.
    """
    return percent(_possible(probability) if among > 1 else probability)


def fine_chance(probability: float) -> str:
    """As fine_percent, for a probability of a softmax over a vocabulary."""
    return fine_percent(_possible(probability))


def _possible(probability: float) -> float:
    return min(max(probability, _SMALLEST), 1 - _SMALLEST)


def size(n_bytes: float) -> str:
    """621.83 MiB, in the largest unit that leaves at least 1."""
    if n_bytes < 1024:
        return counted(n_bytes, "byte", ".0f")
    value = float(n_bytes)
    for unit in _UNITS:
        value /= 1024
        if value < 1024 or unit == _UNITS[-1]:
            break
    return f"{value:,.2f} {unit}"


def exact_size(n_bytes: int) -> str:
    """621.83 MiB = 652,038,144 bytes."""
    return size(n_bytes) if n_bytes < 1024 else f"{size(n_bytes)} = {counted(n_bytes, 'byte')}"


def real(value: float) -> str:
    """0.1324, 12.3457, 2,987.1 or 2.139 × 10¹³: four decimals where they are significant, never -0.0000."""
    if MANY <= abs(value) < inf:
        digits, exponent = f"{value:.3e}".split("e")
        return f"{digits} × 10{str(int(exponent)).translate(_RAISED)}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{round(value, 4) + 0.0:.4f}"


def counted(number: float, noun: str, form: str = ",") -> str:
    """1 token, 1,024 tokens: a number, written in this form, and its noun, with an s unless the number shown is 1."""
    shown = format(number, form)
    return f"{shown} {noun}{'' if shown == '1' else 's'}"


def decimal(value: float) -> str:
    """0.00001 for 1e-05: written out, to fifteen decimals."""
    return f"{value:.15f}".rstrip("0").rstrip(".")


def bits(value: float) -> str:
    """2.98 bits, or 7.764 × 10²⁰ bits: two decimals where they are significant."""
    return f"{value:.2f} bits" if abs(value) < MANY else f"{real(value)} bits"

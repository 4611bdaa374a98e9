"""Numbers as the page writes them: a sensible precision, always a unit, never a false zero."""

_UNITS = ("KiB", "MiB", "GiB", "TiB")


def percent(probability: float) -> str:
    """12.4 %, 0.57 %, or < 0.01 %: a probability above 0 is never shown as 0."""
    if 0 < probability < 0.0001:
        return "< 0.01 %"
    if 0.9995 <= probability < 1:
        return "> 99.9 %"
    return f"{100 * probability:.{1 if probability >= 0.1 else 2}f} %"


def fine_percent(probability: float) -> str:
    """15.8 %, 4.48 %, 0.00214 % or < 0.0001 %: three significant digits, to compare improbable tokens."""
    shown = 100 * probability
    if 0 < shown < 0.0001:
        return "< 0.0001 %"
    if 99.95 <= shown < 100:
        return "> 99.9 %"
    return f"{shown:#.3g} %".replace(". ", " ") if shown else "0 %"


def size(n_bytes: float) -> str:
    """621.83 MiB, in the largest unit that leaves at least 1."""
    if n_bytes < 1024:
        return f"{n_bytes:.0f} bytes"
    value = float(n_bytes)
    for unit in _UNITS:
        value /= 1024
        if value < 1024 or unit == _UNITS[-1]:
            break
    return f"{value:,.2f} {unit}"


def exact_size(n_bytes: int) -> str:
    """621.83 MiB = 652,038,144 bytes."""
    return size(n_bytes) if n_bytes < 1024 else f"{size(n_bytes)} = {n_bytes:,} bytes"


def real(value: float) -> str:
    """0.1324, 12.3457, 2,987.1 or 2.139e+13: four decimals where they are significant, never -0.0000."""
    if abs(value) >= 1e6:
        return f"{value:.3e}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{round(value, 4) + 0.0:.4f}"


def decimal(value: float) -> str:
    """0.00001 for 1e-05: written out, to fifteen decimals."""
    return f"{value:.15f}".rstrip("0").rstrip(".")


def bits(value: float) -> str:
    """2.98 bits, or 7.764e+20 bits: two decimals where they are significant."""
    return f"{value:.2f} bits" if abs(value) < 1e6 else f"{real(value)} bits"

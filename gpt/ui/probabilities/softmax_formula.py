"""From one token's logit to its probability, step by step with the real numbers, as Markdown with LaTeX."""

from ...sampling import Sampling, TokenRow, TokenTable

DELIMITERS: list[dict[str, str | bool]] = [{"left": "$", "right": "$", "display": False}]


def formula(row: TokenRow, table: TokenTable, sampling: Sampling) -> str:
    """Logit, softmax over all, temperature, filter, softmax over the kept: a numbered list."""
    vocab_size = len(table.tokens) + table.other_count
    whole = _softmax("P", "z", r"\sum_j e^{z_j}", row.logit, table.log_sum, row.probability)
    steps = [
        f"**Logit** $z = {_plain(row.logit)}$",
        f"**Softmax over all {vocab_size:,} tokens** {whole}",
        _temperature(row, sampling),
        f"**Filter** {_filter(row, sampling)}",
        _last(row, table, sampling),
    ]
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


def _temperature(row: TokenRow, sampling: Sampling) -> str:
    if sampling.greedy:
        return r"**Temperature** $T = 0$: greedy, nothing is divided and nothing drawn"
    quotient = (
        rf"\dfrac{{{_plain(row.logit)}}}{{{sampling.temperature:g}}} = {_plain(row.logit / sampling.temperature)}"
    )
    return rf"**Temperature** ${{\dfrac{{z}}{{T}} = {quotient}}}$"


def _filter(row: TokenRow, sampling: Sampling) -> str:
    if sampling.greedy:
        return f"rank {row.rank:,}: {'the likeliest is kept' if row.kept else 'only the likeliest is kept, so cut'}"
    if row.cut_by == "top-k":
        return f"rank {row.rank:,} is beyond top-k {sampling.top_k:g}: cut"
    if row.cut_by == "top-p":
        return f"likelier tokens already hold top-p {sampling.top_p:g}: cut"
    filters = [f"top-k {sampling.top_k:g}"] * (sampling.top_k > 0) + [f"top-p {sampling.top_p:g}"] * (
        sampling.top_p < 1
    )
    return f"rank {row.rank:,} is within {' and '.join(filters)}: kept" if filters else "none: every token is kept"


def _last(row: TokenRow, table: TokenTable, sampling: Sampling) -> str:
    kept = sum(each.kept for each in table.tokens) + table.other_kept
    heading = f"**Softmax over the {kept:,} kept**"
    if not row.kept:
        return f"{heading} $p = 0$"
    if sampling.greedy:
        return f"{heading} $p = 1$"
    below = r"\sum_{j\,\mathrm{kept}} e^{z_j/T}"
    scaled = row.logit / sampling.temperature
    return f"{heading} {_softmax('p', 'z/T', below, scaled, table.kept_log_sum, row.sampling_probability)}"


def _softmax(name: str, score: str, below: str, above: float, log_sum: float, probability: float) -> str:
    ratio = rf"\dfrac{{e^{{{score}}}}}{{{below}}} = \dfrac{{e^{{{_plain(above)}}}}}{{e^{{{_plain(log_sum)}}}}}"
    return f"${{{name} = {ratio} = {_probability(probability)}}}$"  # in braces, so that no line breaks inside


def _plain(number: float) -> str:
    return f"{number:.4f}"


def _probability(number: float) -> str:
    """Four digits after the leading zeros: 0.1578, or 3.1 x 10^-9 in full LaTeX."""
    if number >= 0.001:
        return f"{number:.4g}"
    if number == 0:
        return r"0\ \text{(too small for a float64)}"
    digits, exponent = f"{number:.3e}".split("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}"

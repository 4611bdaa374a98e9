"""Lesson 4.2: what a LayerNorm does, in the chapter's example and in the loaded model, and what happens without."""

from ....chapter.layernorm_example import chapter_example, normalize_rows
from ....chapter.without_norms import overflow_depth
from ....tracing import mean_and_variance
from ...common.number_format import real
from ...common.traced_run import traced_without_norms
from ..tour_stop import Guess, Lesson, Stop, Told, guess_number
from ..tour_text import Reading

_TWICE = 2.0  # what counts as larger or smaller


def _example(_: Reading) -> Told:
    rows = normalize_rows(chapter_example()[1])
    means, variances = (
        ", ".join(f"{value:.4f}" for value in each.flatten()) for each in (rows.mean, rows.biased_variance)
    )
    after = rows.normalized_biased_variance.flatten().tolist()
    mean_after = float(rows.normalized_mean.abs().max())
    return Told(
        "The chapter starts small: two rows of six numbers come out of a layer, with the means "
        f"{means} and the variances {variances}. LayerNorm takes each row's mean away and divides by the root of its "
        "variance.",
        guess_number(
            "What is the variance of each row afterwards?",
            1,
            (0, 6),
            "{:.0f}".format,
            f"{' and '.join(f'{value:.4f}' for value in after)}: 1, but for the small eps that is added before "
            f"dividing. And the means are 0, to {mean_after:.0e}.",
        ),
        holds=all(abs(value - 1) < 0.01 for value in after),
    )


def _distribution(r: Reading) -> Told:
    norm, token = r.traced.trace.norm(0, "norm1"), r.traced.token
    (mean, variance), (_, normalized), (_, after) = (
        mean_and_variance(x[token]) for x in (norm.before, norm.normalized, norm.after)
    )
    return Told(
        f"The same in this model: one token is a row of {r.config.emb_dim:,} numbers. It comes to the first norm with "
        f"mean {real(float(mean))} and deviation {real(float(variance.sqrt()))}; normalizing makes the deviation "
        f"{real(float(normalized.sqrt()))}. Scale and shift, which the model has learned, then make it "
        f"{real(float(after.sqrt()))}.",
        holds=float(normalized) > 0.5,
    )


def _depth(r: Reading) -> Told:
    deviations = r.traced.trace.stream[:, r.traced.token].std(dim=-1, correction=0)
    first, last = float(deviations[0]), float(deviations[-1])
    ratio = last / first
    said = (
        f"{len(deviations)} norms stand along the way. Look at what comes to each of them: every block adds something."
    )
    if ratio < _TWICE:
        otherwise = f" In this model, though, the deviation hardly grows: from {real(first)} to {real(last)}."
        return Told(said + otherwise, holds=False)
    return Told(
        said,
        guess_number(
            "How many times larger is the deviation at the last norm than at the first?",
            ratio,
            (ratio / 10, 10 * ratio),
            "{:,.0f} times".format,
            f"It goes from {real(first)} to {real(last)}, {ratio:,.3g} times as much. Each norm takes that back to "
            "about 1, so that every block finds numbers of the size it is used to.",
        ),
    )


def _without(r: Reading) -> Told:
    bare = traced_without_norms(r.traced)
    token = r.traced.token
    with_norms, without = (float(trace.stream[-1, token].std(correction=0)) for trace in (r.traced.trace, bare))
    sizes = ("It shrinks", "It stays about the same", "It grows")
    overflows = overflow_depth(bare) is not None
    ratio = without / with_norms
    right = 2 if overflows or ratio > _TWICE else 0 if ratio < 1 / _TWICE else 1
    so = (
        "beyond the largest number that fits into 32 bits"
        if overflows
        else f"{real(without)} instead of {real(with_norms)}"
    )
    return Told(
        "Now take every norm out of the model and leave all its other numbers as they are.",
        Guess(
            "What happens to the deviation at the end?",
            sizes,
            right,
            f"It is {so}. The next blocks and the output were never trained for such numbers, so what the model says "
            "next is completely different.",
        ),
    )


LESSON = Lesson(
    "4.2",
    "4.2 LayerNorm",
    (
        Stop("Two rows of numbers", "layernorm", "#example-numbers", _example, {"view": "2 × 5 example"}),
        Stop(
            "One token at a norm",
            "layernorm",
            "#norm-figures",
            _distribution,
            {"view": "Distribution", "block": 0, "norm": "norm1"},
            reads_prompt=True,
        ),
        Stop(
            "Through the depth", "layernorm", "#norm-figures", _depth, {"view": "Through the depth"}, reads_prompt=True
        ),
        Stop("Without norms", "layernorm", "#norm-figures", _without, {"view": "Without norms"}, reads_prompt=True),
    ),
)

"""What each view of the LayerNorm tab shows of the chosen norm: a figure, a sentence with its numbers, a table."""

from dataclasses import dataclass
from html import escape

import torch
from torch import Tensor

from ...chapter.without_norms import overflow_depth
from ...generation import logits_of
from ...model import LayerNorm
from ...sampling import PLAIN_SOFTMAX, TokenTable, likeliest, token_table
from ...tokenizer import AnyTokenizer
from ...tracing import NormTrace, mean_and_variance, outlier_features
from ..common.captions import About, about_traced
from ..common.number_format import counted, decimal, percent, real
from ..common.page_html import table
from ..common.tab_views import Numbers, Shown, View
from ..common.traced_run import Traced, traced_without_norms
from . import figures


@dataclass(frozen=True, eq=False)
class Look:
    """One norm of a traced stretch of a run: block and norm name, "final_norm" belonging to no block."""

    traced: Traced
    block: int
    name: str

    @property
    def norm(self) -> NormTrace:
        """What went in and came out."""
        return self.traced.trace.norm(self.block, self.name)

    @property
    def module(self) -> LayerNorm:
        """The norm itself."""
        model = self.traced.model
        return model.final_norm if self.name == "final_norm" else getattr(model.trf_blocks[self.block], self.name)

    @property
    def place(self) -> str:
        """The norm in words."""
        return "final_norm" if self.name == "final_norm" else f"{self.name} of block {self.block}"

    @property
    def places(self) -> list[str]:
        """All norms of the network in words."""
        n_layers = self.traced.model.config.n_layers
        return [f"block {i}, {name}" for i in range(n_layers) for name in ("norm1", "norm2")] + ["final_norm"]

    @property
    def depth(self) -> int:
        """The norm's index among all norms of the network."""
        return self.traced.trace.norms.index(self.norm)

    @property
    def stages(self) -> dict[str, Tensor]:
        """The activations (t, d) before, inside and after the norm."""
        return {"before": self.norm.before, "normalized": self.norm.normalized, "after": self.norm.after}


def distribution(look: Look) -> Shown:
    """The features of the selected token at each stage."""
    token = look.traced.token
    stages = {stage: x[token].numpy() for stage, x in look.stages.items()}
    limits = figures.shared_limits(list(stages.values()))
    rows = []
    for stage, x in stages.items():
        mean, variance = mean_and_variance(look.stages[stage][token])
        left_out = [f"{feature} at {real(x[feature])}" for feature in figures.beyond(x, *limits)]
        rows.append(
            [
                figures.STAGE_TITLES[stage],
                *_pair(mean, variance),
                real(float(variance.sqrt())),
                ", ".join(left_out[:3]) + (f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""),
            ]
        )
    said = (
        f"The {counted(len(stages['before']), 'feature')} of one token. Normalizing takes their mean away and "
        "divides by their deviation, whatever it was: the shape stays, position and width change. Scale and shift then "
        "give every feature a size of its own. Shaded: one deviation around the mean."
    )
    return Shown(
        said,
        figures.distribution(stages),
        table=table(["stage", "mean", "variance", "deviation", "features beyond the axis"], rows),
    )


def distribution_numbers(look: Look) -> Numbers:
    """Feature by feature."""
    columns = [x[look.traced.token].tolist() for x in look.stages.values()]
    return ["feature", *look.stages], ([i, *row] for i, row in enumerate(zip(*columns, strict=True)))


def per_token(look: Look) -> Shown:
    """Mean and deviation of every token, and why the variance afterwards is not quite 1."""
    figures_of = {stage: mean_and_variance(x) for stage, x in look.stages.items()}
    means = {stage: mean.numpy() for stage, (mean, _) in figures_of.items()}
    deviations = {stage: variance.sqrt().numpy() for stage, (_, variance) in figures_of.items()}
    token = look.traced.token
    eps = decimal(look.module.eps)
    variance, normalized = (float(figures_of[stage][1][token]) for stage in ("before", "normalized"))
    said = (
        "Every token is normalized on its own, by its biased variance (the squares divided by d, not d − 1) plus "
        f"eps = {eps}. So the variance afterwards is var / (var + eps), just below 1: for the selected token "
        f"{variance:.6g} / ({variance:.6g} + {eps}) = {normalized:.7f}."
    )
    head = ["token", *(f"{name} {stage}" for stage in look.stages for name in ("mean", "variance"))]
    rows = [
        [
            f"<code>{escape(label)}</code>",
            *(cell for mean, var in figures_of.values() for cell in _pair(mean[i], var[i])),
        ]
        for i, label in enumerate(look.traced.labels)
    ]
    figure = figures.per_token(look.traced.labels, look.traced.numbers[0], means, deviations, token)
    return Shown(said, figure, table=table(head, rows, "tall"))


def per_token_numbers(look: Look) -> Numbers:
    """Token by token."""
    columns = [column.tolist() for x in look.stages.values() for column in mean_and_variance(x)]
    head = [f"{name} {stage}" for stage in look.stages for name in ("mean", "biased variance")]
    rows = zip(look.traced.numbers, look.traced.trace.ids, look.traced.labels, *columns, strict=True)
    return ["token number", "id", "token", *head], rows


def feature_map(look: Look) -> Shown:
    """Every feature of every token, and the ones that stand out."""
    outliers = outlier_features(look.norm.before)
    stages = {"before": look.norm.before.numpy(), "after": look.norm.after.numpy()}
    token = look.traced.token
    rows = [
        [f"feature {feature}", *(real(float(x[token, feature])) for x in look.stages.values())] for feature in outliers
    ]
    limits = " and ".join(f"{figures.colour_limit(x):.3g}" for x in stages.values())
    said = f"Blue is below 0, orange above; colours are full at {limits}, where 99 % of the values lie inside. " + (
        "The marked features are more than 3 deviations from their token's mean, on average over the tokens."
        if outliers
        else "No feature stands out here: none is 3 deviations from the mean on average over the tokens."
    )
    shown = table(["stands out, in the selected token", *look.stages], rows) if rows else ""
    drawn = figures.feature_map(look.traced.labels, look.traced.numbers[0], stages, outliers, token)
    return Shown(said, drawn, table=shown)


def feature_map_numbers(look: Look) -> Numbers:
    """Both maps, a row per stage and token."""
    rows = (
        [stage, look.traced.numbers[i], look.traced.trace.ids[i], label, *look.stages[stage][i].tolist()]
        for stage in ("before", "after")
        for i, label in enumerate(look.traced.labels)
    )
    return ["stage", "token number", "id", "token", *range(look.norm.before.shape[1])], rows


def scale_and_shift(look: Look) -> Shown:
    """The two learned vectors."""
    scale, shift = look.module.scale, look.module.shift
    fresh = bool((scale == 1).all() and (shift == 0).all())
    said = (
        "Nothing has been learned here: every scale is 1 and every shift 0, as the chapter's LayerNorm starts."
        if fresh
        else f"Learned in training, one number per feature: scales from {scale.min():.3g} to {scale.max():.3g}, "
        f"shifts from {shift.min():.3g} to {shift.max():.3g}. The three farthest from the rest are named."
    )
    return Shown(said, figures.scale_and_shift(scale.numpy(), shift.numpy()))


def scale_and_shift_numbers(look: Look) -> Numbers:
    """Feature by feature."""
    pairs = zip(look.module.scale.tolist(), look.module.shift.tolist(), strict=True)
    return ["feature", "scale", "shift"], ([i, *pair] for i, pair in enumerate(pairs))


def depth(look: Look) -> Shown:
    """Deviation of the residual stream through the depth."""
    deviations = _deviations(look.traced.trace.stream)
    token = look.traced.token
    first, last = float(deviations[0, token]), float(deviations[-1, token])
    said = (
        "Each block adds to the residual stream, so what enters the norms grows with depth: the deviation of the "
        f"selected token goes from {real(first)} to {real(last)}, × {last / first:.3g}. Every norm takes that back to "
        "1 before its attention or feed-forward sees it."
    )
    return Shown(said, figures.depth(look.places, look.traced.labels, deviations.numpy(), token, look.depth))


def depth_numbers(look: Look) -> Numbers:
    """A row per norm, a column per token."""
    deviations = _deviations(look.traced.trace.stream).tolist()
    return ["entering", *look.traced.columns], (
        [place, *row] for place, row in zip(look.places, deviations, strict=True)
    )


def without_norms(look: Look) -> Shown:
    """The same network with the identity in place of its LayerNorms, on the same tokens."""
    bare = traced_without_norms(look.traced)
    token = look.traced.token
    with_norms, without = (_deviations(trace.stream[:, token]) for trace in (look.traced.trace, bare))
    figure = figures.what_if_depth(look.places, with_norms.numpy(), without.numpy())
    overflow = overflow_depth(bare)
    if overflow is not None:
        said = (
            f"Without its norms this network counts beyond the largest float32 number at {look.places[overflow]}: "
            "from there on nothing is left to compare, and no next token."
        )
        return Shown(said, figure)
    model, reader = look.traced.model, look.traced.run.reader
    own, changed = (logits_of(model, trace.final_norm.after[token]) for trace in (look.traced.trace, bare))
    own_table, changed_table = (token_table(logits, PLAIN_SOFTMAX, 1) for logits in (own, changed))
    own_first, changed_first = (_first(each, reader) for each in (own_table, changed_table))
    ends = [real(float(deviations[-1])) for deviations in (with_norms, without)]
    said = (
        "The same weights and tokens, every LayerNorm replaced by the identity: the deviation of the selected token "
        f"ends at {ends[1]} instead of {ends[0]}, its most probable next token is {changed_first} instead of "
        f"{own_first}, and the entropy of all next tokens {changed_table.entropy_bits:.2f} bits instead of "
        f"{own_table.entropy_bits:.2f}."
    )
    ids, before, after = _next_tokens(own, changed)
    names = [reader.visible(token_id) for token_id in ids]
    return Shown(said, figure, figures.what_if_next(names, before, after), "next tokens")


def without_norms_numbers(look: Look) -> Numbers:
    """Deviations entering every norm, for the selected token."""
    bare = traced_without_norms(look.traced)
    pairs = (_deviations(trace.stream[:, look.traced.token]).tolist() for trace in (look.traced.trace, bare))
    return ["entering", "with norms", "without"], zip(look.places, *pairs, strict=True)


VIEWS: dict[str, View[Look]] = {
    "Distribution": View(distribution, distribution_numbers, "Dotted: the mean. Shaded: one deviation around it."),
    "Per token": View(per_token, per_token_numbers, "Dotted line across: the selected token."),
    "Feature map": View(
        feature_map, feature_map_numbers, "Blue: below 0. Orange: above 0. Framed: the selected token."
    ),
    "Scale and shift": View(scale_and_shift, scale_and_shift_numbers, "Named: the three farthest from the rest."),
    "Through the depth": View(depth, depth_numbers, "Dotted line across: the chosen norm."),
    "Without norms": View(without_norms, without_norms_numbers),
}


def about(view: str, look: Look) -> About:
    """What a view is of."""
    place: dict[str, str | int] = {"norm": look.name}
    if look.name != "final_norm":
        place = {"block": look.block, **place}
    return about_traced(f"LayerNorm: {view.lower()}", look.traced, VIEWS[view].colours).at(**place)


def _deviations(x: Tensor) -> Tensor:
    return x.std(dim=-1, correction=0)


def _next_tokens(own: Tensor, changed: Tensor) -> tuple[list[int], list[float], list[float]]:
    """The likeliest tokens of both logits (v,), those of the first one first, and their probabilities under each."""
    ids = list(dict.fromkeys([*likeliest(own, 5), *likeliest(changed, 3)]))
    before, after = (torch.softmax(logits.double(), 0)[ids].tolist() for logits in (own, changed))
    return ids, before, after


def _first(top: TokenTable, reader: AnyTokenizer) -> str:
    first = top.tokens[0]
    return f"“{reader.visible(first.token_id)}” with {percent(first.probability)}"


def _pair(mean: Tensor, variance: Tensor) -> list[str]:
    return [real(float(mean)), f"{float(variance):.6g}"]

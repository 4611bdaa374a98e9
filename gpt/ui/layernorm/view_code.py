"""The code behind the LayerNorm tab: each view from a trace of the run, and section 4.2's example in torch alone."""

from ..common.code_pieces import Code, code
from ..common.run_code import ids_code, rows, traced_code
from .views import Look

_STAGES = '{"before": norm.before, "normalized": norm.normalized, "after": norm.after}'
_OF_STAGES = {
    "Distribution": """
features = {stage: x[token] for stage, x in stages.items()}  # (d,)
for stage, x in features.items():
    print(stage, x.mean(), x.var(correction=0), x)
""",
    "Per token": """
means = {stage: x.mean(-1) for stage, x in stages.items()}  # (t,)
variances = {stage: x.var(-1, correction=0) for stage, x in stages.items()}
for stage in stages:
    print(stage, means[stage], variances[stage])
""",
    "Feature map": """
before, after = stages["before"], stages["after"]  # (t, d)
distance = stages["normalized"].abs().mean(0)  # from the mean, in deviations, on average over the tokens
farthest = distance.topk(min(5, len(distance)))
outliers = farthest.indices[farthest.values > 3].tolist()
print(before, after, outliers)
""",
}


def view_code(view: str, look: Look) -> Code:
    """The numbers of a view of the chosen norm."""
    if view == "Scale and shift":
        return ids_code(look.traced.run) + code(
            f"norm = model.{_path(look, 'trf_blocks')}\nscale, shift = norm.scale, norm.shift  # (d,)\n"
            "print(scale, shift)"
        )
    traced = traced_code(look.traced)
    if view == "Through the depth":
        shown = rows(look.traced).replace("[", "[:, ")
        return traced + code(
            "# Before the first block, then after every attention and every feed-forward: (2 L + 1, t).\n"
            f"deviations = traced.stream.std(-1, correction=0){shown}\nprint(deviations)"
        )
    if view == "Without norms":
        return traced + _without_norms()
    shown = "" if view == "Distribution" else rows(look.traced)  # token counts all that were read
    stages = f"{{stage: x{shown} for stage, x in {_STAGES}.items()}}" if shown else _STAGES
    return traced + code(f"norm = traced.{_path(look, 'blocks')}\nstages = {stages}") + code(_OF_STAGES[view])


def example_code(inputs: bool, unbiased: bool, exponent: float) -> Code:
    """Section 4.2's two rows, normalized with the chosen variance and eps."""
    layer = "" if inputs else "x = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.ReLU())(x)  # (2, 6)\n"
    return code(
        "torch.manual_seed(123)\n"
        f"x = torch.randn(2, 5)\n{layer}"
        "mean = x.mean(-1, keepdim=True)\n"
        f"variance = x.var(-1, correction={int(unbiased)}, keepdim=True)\n"
        f"normalized = (x - mean) / torch.sqrt(variance + 1e{exponent:.0f})\n"
        "print(mean, variance, normalized, normalized.mean(-1), normalized.var(-1, correction="
        f"{int(unbiased)}))",
        "torch",
    )


def _path(look: Look, blocks: str) -> str:
    return "final_norm" if look.name == "final_norm" else f"{blocks}[{look.block}].{look.name}"


def _without_norms() -> Code:
    return code(
        """
bare = copy.deepcopy(model)  # the same weights, every LayerNorm replaced by the identity
bare.final_norm = torch.nn.Identity()
for block in bare.trf_blocks:
    block.norm1 = block.norm2 = torch.nn.Identity()
with_norms = traced.stream[:, token].std(-1, correction=0)  # (2 L + 1,)
without = trace(bare, traced.ids).stream[:, token].std(-1, correction=0)
print(with_norms, without)
""",
        "copy",
        "torch",
        "trace",
    )

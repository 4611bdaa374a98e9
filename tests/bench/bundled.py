"""Rows about the bundled model: how fast it writes and its page answers, what 8-bit weights cost its accuracy.

Without the model, or without a text to hold against it, they say so.
"""

from arena import ROOT, arena, run_alone
from contestants import EARLIER
from result import Finding, Outcome, Plan, Series
from speed import PROMPT_TOKENS, Duel, random_ids

FOLDER = ROOT / "assets" / "storyteller"
_DEFAULT_LENGTH = 50  # of a generation whose settings nobody changed
# What visiting.py measures, and its goals: seconds, or bytes.
_VISIT_GOALS = {
    "page to first token": ("s", 1.2),
    "first figure": ("s", 0.5),
    "tab again": ("s", 0.1),
    "view to settled figure": ("s", 0.4),
    "block to settled figure": ("s", 0.4),
    "slider to table": ("s", 0.15),
    "bytes before the plot library": ("MB", 1e6),
}


def speed(plan: Plan) -> Outcome:
    """The whole of a generation with default settings, its prompt included, against an earlier commit's."""
    what, limit = "bundled model, default settings", 1.25
    if not FOLDER.is_dir():
        return Outcome(findings=[Finding(f"{what} / {EARLIER}", limit, True, "×", why_not=_absent())])
    duel = Duel("ours bundled", EARLIER, limit)
    with arena(plan.folder, [duel.ours, duel.peer]) as field:
        answers = field.rounds(plan.rounds, "recorded", prompt=random_ids(PROMPT_TOKENS), n=_DEFAULT_LENGTH)
    rates = {
        name: Series(f"{what}, {name}", "tokens/s", [len(answer["times"]) / answer["times"][-1] for answer in kept])
        for name, kept in answers.items()
    }
    speeds = {name: series.median for name, series in rates.items()}
    return Outcome(list(rates.values()), [duel.finding(what, speeds, field.missing)], missing=field.missing)


def click(plan: Plan) -> Outcome:
    """A click on Generate to the first token on the page; the first click, which warms up, is not kept."""
    seconds = Series("click to first token, bundled model", "ms", run_alone("clicking.py", str(plan.rounds + 1))[1:])
    return Outcome([seconds], [Finding(f"{seconds.what}, in the browser", 0.2, False, "ms", seconds.median)])


def visit(plan: Plan) -> Outcome:
    """What a visitor waits for on the page; the first visit, which warms up, is not kept."""
    found = run_alone("visiting.py", str(plan.rounds + 1))
    series = [Series(what, unit, found[what][1:]) for what, (unit, _) in _VISIT_GOALS.items()]
    findings = [
        Finding(f"{each.what}, in the browser", _VISIT_GOALS[each.what][1], False, each.unit, each.median)
        for each in series
    ]
    return Outcome(series, findings)


def quality(plan: Plan) -> Outcome:
    """int8 against float32 over a text that the model was not trained on."""
    found: dict[str, float] = {}
    why_not = "" if FOLDER.is_dir() else _absent()
    if not why_not and plan.text is None:
        why_not = "needs a held-out text: --text FILE"
    notes = []
    if not why_not:
        found = run_alone("quality.py", str(FOLDER), str(plan.text), str(plan.quality_tokens))
        losses = f"{found['float32_loss']:.4f} nats in float32, {found['int8_loss']:.4f} in int8"
        notes.append(f"Held-out loss over {found['tokens']:,} tokens: {losses}.")
    what = "int8 against float32, bundled model"
    findings = [
        Finding(f"{what}: loss differs by", 0.01, False, "%", found.get("loss_difference"), why_not),
        Finding(f"{what}: top-1 agreement", 0.97, True, "%", found.get("agreement"), why_not),
        Finding(f"{what}: mean KL", 0.01, False, "nats", found.get("kl"), why_not),
    ]
    return Outcome(findings=findings, notes=notes)


def _absent() -> str:
    return f"{FOLDER.relative_to(ROOT)} does not exist"

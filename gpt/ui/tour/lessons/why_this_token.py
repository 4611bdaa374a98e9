"""The last lesson: why a token came: what was read, which parts raised its logit, where those come from."""

from math import exp, sqrt

from ....attribution.head_effects import head_effects
from ....attribution.logit_attribution import account
from ....attribution.token_importance import occlusion
from ....training.training_history import recorded_history
from ...common.number_format import real
from ..tour_stop import Lesson, Stop, Told, guess, guess_number
from ..tour_text import Reading


def _tokens(r: Reading) -> Told:
    ids = r.prompt
    falls = occlusion(r.model, ids, r.run.ids[len(ids)])
    most = int(falls.argmax())
    others = [r.quoted(each) for each in ids if each != ids[most]]
    return Told(
        f"Why {r.quoted(r.run.ids[len(ids)])}? Begin with what the model read. Put other words in the place of one "
        "token, and see how much less probable the answer becomes.",
        guess(
            "Which token does it need most?",
            r.quoted(ids[most]),
            others[-2:],
            f"{r.quoted(ids[most])}: without it the probability falls to about {exp(-float(falls[most])):.2g} of what "
            "it was. The bars show all of them, and two cheaper measures that do not always agree.",
        ),
        holds=float(falls[most]) > 0,
    )


def _parts(r: Reading) -> Told:
    token = r.run.ids[len(r.prompt)]
    found = account(r.model, r.traced.trace, token, row=r.traced.token)
    best = max(found.parts, key=lambda part: part.value)
    kinds = {"head": "attention heads", "feed-forward": "feed-forward networks", "token embedding": "the embeddings"}
    sums = {name: sum(p.value for p in found.parts if p.component == key) for key, name in kinds.items()}
    most = max(sums, key=sums.__getitem__)
    where = "" if best.block is None else f" of block {best.block}"
    return Told(
        "The last vector is a sum of what every part added, so the logit is a sum too, and each part has its share. "
        f"Open “Why this token” on the page: the logit of {r.quoted(token)} stands {real(found.logit_difference)} "
        "above the mean.",
        guess(
            "Which parts raise it most, all together?",
            most,
            [name for name in sums if name != most],
            f"{most[0].upper()}{most[1:]}, with {sums[most]:+.2f}. The strongest single part is "
            f"{best.component}{where}, with {best.value:+.2f}.",
        ),
        holds=found.logit_difference > 0,
    )


def _switched(r: Reading) -> Told:
    token = r.run.ids[len(r.prompt)]
    changes = next(head_effects(r.model, r.prompt, token)).logprob
    least, most = int(changes.abs().argmin()), int(changes.abs().argmax())
    names = [f"Head {head}" for head in dict.fromkeys([least, most, *range(len(changes))])]
    return Told(
        "A share in a sum is not yet a cause. To know what a part is needed for, take it away: switch off one head of "
        f"block 0, and let the model say again how probable {r.quoted(token)} is.",
        guess(
            "Which of these heads changes that most?",
            f"Head {most}",
            [name for name in names if name != f"Head {most}"][:2],
            f"Head {most}: without it the probability is {exp(float(changes[most])):.2f} times what it was; without "
            f"head {least} it is {exp(float(changes[least])):.2f} times. Click squares on the page to switch several "
            "off, and let it write again.",
        ),
        holds=most != least,
    )


def _learned(_: Reading) -> Told:
    points = recorded_history().points
    first, best = points[0], min(points, key=lambda point: float(point["heldout_loss"]))
    before, after = exp(first["heldout_loss"]), exp(best["heldout_loss"])
    return Told(
        "Nobody wrote these heads: they were learned from text. Here a small model learns to tell stories. At first it "
        f"is as unsure about the next token of a new story as between {before:,.0f} equally likely ones.",
        guess_number(
            "As unsure as between how many is it at its best?",
            after,
            (before, sqrt(before * after)),
            "{:,.1f}".format,
            f"{after:.1f}, after {best['step']:,} steps. Move through the saved steps on the page, and see how heads "
            "and probabilities become clear. Chapter 5 of the book writes the loop that trains.",
        ),
        holds=after < before,
    )


LESSON = Lesson(
    "why",
    "Why this token?",
    (
        Stop(
            "What it read",
            "inside",
            "#tokens-figure",
            _tokens,
            {"view": "Which tokens mattered"},
            hides="#tokens-figure, #tokens-said, #inside-strip",
        ),
        Stop("Which parts raised it", "probabilities", "#account", _parts, hides=""),
        Stop("Taken away", "inside", "#off-field", _switched, {"view": "Switch parts off"}),
        Stop("Where it comes from", "train", "#train-loss", _learned, {"training": "Recorded"}),
    ),
)

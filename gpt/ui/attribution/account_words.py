"""What the page says of an account of a logit: a sentence, the steps of a waterfall, tables of parts and neurons."""

from collections.abc import Callable, Sequence
from html import escape

import gradio as gr

from ...attribution.logit_attribution import Account, FeedForwardAccount, Part
from ...attribution.neurons import Neuron
from ..common.choice_script import CHOOSING
from ..common.colours import COLOURS
from .figures import Rise

_IDEAS = {
    "token embedding": "embeddings",
    "position embedding": "embeddings",
    "head": "attention",
    "attention bias": "attention",
    "feed-forward": "feed-forward",
    "norm shift": "norms",
    "rounding": "weights",
}
# What the parts without further details are.
MEANINGS = {
    "token embedding": "the last token's own row of the embedding, before anything was read.",
    "position embedding": "the row of its position.",
    "attention bias": "what the output projection adds whatever the heads found.",
    "norm shift": "what the final norm adds after scaling, the same for every text.",
    "rounding": "what packed weights and inputs round away; it is what is left of the sum.",
}
_SHORT = {
    "token embedding": "token",
    "position embedding": "position",
    "attention": "att.",
    "feed-forward": "ff",
    "norm shift": "shift",
    "rounding": "rounding",
}
_N_PARTS = 12
_N_NEURONS = 8

Visible = Callable[[int], str]


def part_table(elem_id: str) -> gr.HTML:
    """An empty table of rows that can be chosen; its `select` event carries the index of one."""
    events = CHOOSING + "chooseFrom('.part-row', () => ({ArrowDown: 1, ArrowUp: -1}));"
    return gr.HTML(value="", html_template="${value}", js_on_load=events, elem_id=elem_id, elem_classes=["flush"])


def name(part: Part) -> str:
    """A part as the page calls it: head 5.1, feed-forward 3, position embedding."""
    if part.head is not None:
        return f"head {part.block}.{part.head}"
    return part.component if part.block is None else f"{part.component} {part.block}"


def said(found: Account, visible: Visible, whose: str) -> str:
    """The sentence about an account: plain text."""
    rival = "the mean of all tokens" if found.rival_id is None else f"“{visible(found.rival_id)}”"
    return (
        f"logit(“{visible(found.token_id)}”) minus that of {rival} is {found.logit_difference:+.3f}. Everything that "
        "wrote to the residual stream has its part in it, and the parts sum to it, because the final norm's deviation "
        f"σ = {found.sigma:.3f} is held fixed: dividing by it is then the same for all. {whose}"
    )


def rises(found: Account) -> list[Rise]:
    """The account through the depth: attention (heads and bias) and feed-forward of each block as one step each."""
    steps: dict[tuple[str, int | None], float] = {}
    for part in found.parts:
        idea = _IDEAS[part.component]
        key = (part.component if part.block is None else idea, part.block)
        steps[key] = steps.get(key, 0.0) + part.value
    return [
        Rise(_SHORT[step] + ("" if block is None else f" {block}"), value, _IDEAS.get(step, step))
        for (step, block), value in steps.items()
    ]


def parts_html(found: Account, chosen: int) -> str:
    """HTML of the parts with the largest values, positive or negative, and of all the others as one row."""
    order = sorted(range(len(found.parts)), key=lambda index: -abs(found.parts[index].value))
    shown = order[:_N_PARTS]
    largest = abs(found.parts[order[0]].value) or 1.0
    rows = [
        _row(index, name(part), part.value, largest, COLOURS[_IDEAS[part.component]], index == chosen)
        for index, part in ((index, found.parts[index]) for index in shown)
    ]
    others = sum(found.parts[index].value for index in order[_N_PARTS:])
    rest = len(order) - len(shown)
    return _table(
        "part",
        rows,
        [(f"{rest} other parts", others)] * (rest > 0) + [("together", sum(part.value for part in found.parts))],
    )


def neurons_html(found: FeedForwardAccount, chosen: int) -> str:
    """HTML of the neurons with the largest values, and of the others and the bias."""
    order = found.values.abs().argsort(descending=True).tolist()
    shown = order[:_N_NEURONS]
    largest = float(found.values.abs().max()) or 1.0
    rows = [
        _row(
            index,
            f"neuron {index}, fires with {float(found.activations[index]):.2f}",
            float(found.values[index]),
            largest,
            COLOURS["feed-forward"],
            index == chosen,
        )
        for index in shown
    ]
    others = float(found.values[order[_N_NEURONS:]].sum())
    return _table("neuron", rows, [(f"{len(order) - len(shown):,} other neurons", others), ("bias", found.bias)])


def neuron_text(number: int, card: Neuron, visible: Visible) -> str:
    """HTML: which words a neuron makes likelier and less likely when it fires."""
    up, down = (
        " ".join(f'<span class="piece">{escape(visible(token_id))}</span>' for token_id, _ in words)
        for words in (card.promoted, card.suppressed)
    )
    return (
        f'<p class="status">Neuron {number}: when it fires, these words become likelier: {up}; and these less likely: '
        f"{down}. Below, how strongly it fires at each token.</p>"
    )


def _row(index: int, text: str, value: float, largest: float, colour: str, chosen: bool) -> str:
    return (
        f'<tr class="part-row{" chosen" if chosen else ""}"><th scope="row"><button type="button" class="candidate" '
        f'data-index="{index}" tabindex="{0 if chosen else -1}" aria-pressed="{str(chosen).lower()}">{escape(text)}'
        f"</button></th><td>{value:+.3f}</td><td>{_bar(value, largest, colour)}</td></tr>"
    )


def _bar(value: float, largest: float, colour: str) -> str:
    """A bar: to the right of the middle for what raises the logit, to the left for what lowers it."""
    share = 50 * min(abs(value) / largest, 1)
    left = 50 if value >= 0 else 50 - share
    return (
        f'<span class="signed-bar"><span style="left:{left:.2f}%;width:{share:.2f}%;background:{colour}"></span></span>'
    )


def _table(kind: str, rows: Sequence[str], sums: Sequence[tuple[str, float]]) -> str:
    last = "".join(
        f'<tr><th scope="row">{escape(text)}</th><td>{value:+.3f}</td><td></td></tr>' for text, value in sums
    )
    return (
        f'<div class="scroll"><table class="figures parts"><thead><tr><th scope="col">{kind}</th>'
        f'<th scope="col">adds</th><td></td></tr></thead><tbody>{"".join(rows)}{last}</tbody></table></div>'
    )

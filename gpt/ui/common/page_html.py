"""HTML that every tab writes: sentences, refusals, tables of figures, bars."""

from collections.abc import Sequence
from html import escape

from .colours import COLOURS

# What a tab says before there is a run.
NO_RUN = '<p class="status">The first text is not there yet: wait for it, or press Generate on the first tab.</p>'


def status(text: str) -> str:
    """HTML of a sentence beside a control or a figure; text is plain."""
    return f'<p class="status">{escape(text)}</p>'


def problem(message: str) -> str:
    """HTML of one sentence about what went wrong, read out by screen readers; "" for none."""
    return f'<p class="problem" role="alert">{escape(message)}</p>' if message else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """HTML of a table of figures from cells that are HTML; the first cell of a row names it. Scrolls on a phone."""
    heading = "".join(f'<th scope="col">{cell}</th>' if cell else "<td></td>" for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return f'<div class="scroll"><table class="figures {kind}"><thead><tr>{heading}</tr></thead>{body}</table></div>'


def bar(share: float, idea: str) -> str:
    """HTML of a bar in a table cell: share from 0 to 1, idea a colour of the palette."""
    return f'<span class="bar" style="--share:{100 * share:.2f}%;--colour:{COLOURS[idea]}"></span>'

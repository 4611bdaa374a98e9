"""The strip and the sentence about a traced stretch of a run."""

from collections.abc import Sequence

from ...runs import Run
from ...tracing import Window
from .number_format import chance
from .page_html import status
from .token_strip import StripToken, strip_html, strip_token
from .traced_run import Traced


def traced_strip(traced: Traced, looks_at: Sequence[float] = ()) -> str:
    """The strip of a whole run with the selected token marked and the tokens outside the window faint.

    looks_at are the shares of the selected token's attention, from the first token read on; they colour the strip.
    """
    run = traced.run
    weights = dict(enumerate(looks_at, traced.window.first_read))
    tokens = [
        _strip_token(run, index, _kind(run, traced.window, index), weights.get(index), len(weights))
        for index in range(len(run.ids))
    ]
    return strip_html(tokens, traced.window.start + traced.token)


def traced_text(traced: Traced) -> str:
    """HTML that says which token is selected, whose figures these are, and which stretch of a long text was read."""
    run = traced.run
    numbers, n_tokens = traced.numbers, len(run.ids)
    said = f"Token {numbers[traced.token]} of {n_tokens}, read by {run.model_name}."
    if len(numbers) < n_tokens:
        said += (
            f" The text is long: tokens {numbers[0]} – {numbers[-1]} are shown, computed from token "
            f"{traced.numbers_read[0]} on. Choose a faint one to move there."
        )
    return status(said)


def _strip_token(run: Run, index: int, kind: str, weight: float | None, among: int) -> StripToken:
    said = f"token {index + 1}"
    if weight is None:
        return strip_token(run.reader, run.ids[index], said, kind=kind)
    return strip_token(run.reader, run.ids[index], f"{said} gets {chance(weight, among)}", weight, kind)


def _kind(run: Run, window: Window, index: int) -> str:
    kind = "prompt" if index < len(run.prompt_ids) else "new"
    return kind if window.start <= index < window.stop else f"{kind} outside"

"""The latest traces of all visitors: changing a view or a token does not run the model again.

A trace depends on the model and the tokens only, so visitors who look at the same text share it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import sqrt
from threading import Lock

from ..generation import Run
from ..library import Library
from ..model import GPTModel
from ..norm_experiments import without_norms
from ..tracing import Trace, Window, trace_window, window_around
from .numbers import percent
from .strip import StripToken, strip_html, strip_token

# What a tab says before there is a run.
NO_RUN = '<p class="status">The first text is not there yet: wait for it, or press Generate on the first tab.</p>'

_MOST_BYTES = 500_000_000

_recent: OrderedDict[tuple, Trace] = OrderedDict()
_tracing = Lock()


@dataclass(frozen=True, eq=False)
class Traced:
    """The stretch of a run around one of its tokens, opened; `token` is that token's place in the stretch."""

    model: GPTModel
    trace: Trace
    window: Window
    token: int

    @property
    def numbers(self) -> range:
        """The window's tokens, counted from 1 in the whole text, as all tabs do."""
        return range(self.window.start + 1, self.window.stop + 1)

    @property
    def numbers_read(self) -> range:
        """The same for all tokens that the model read to compute them."""
        return range(self.window.first_read + 1, self.window.stop + 1)


def traced_run(library: Library, run: Run, index: int | None) -> Traced:
    """The window of the run that holds token `index` of run.ids, traced by the run's model.

    The prompt's last token stands in for none, and for one that the run does not have.
    """
    if index is None or not 0 <= index < len(run.ids):
        index = len(run.prompt_ids) - 1
    model = library.get(run.model_name).model
    window = window_around(index, len(run.ids), model.config.context_length)
    return Traced(model, _traced(run, model, window), window, index - window.start)


def traced_without_norms(run: Run, traced: Traced) -> Trace:
    """The same stretch through the same network with the identity in place of its LayerNorms."""
    return _traced(run, without_norms(traced.model), traced.window, "without norms")


def _traced(run: Run, model: GPTModel, window: Window, altered: str = "") -> Trace:
    key = (run.model_name, altered, window.start - window.first_read, run.ids[window.first_read : window.stop])
    with _tracing:  # one at a time: two at once would each take twice as long
        found = _recent.get(key)
        if found is None:
            found = trace_window(model, run.ids, window)
            _recent[key] = found
            while len(_recent) > 1 and sum(map(_bytes, _recent.values())) > _MOST_BYTES:
                _recent.popitem(last=False)
        _recent.move_to_end(key)
        return found


def _bytes(trace: Trace) -> int:
    norms = sum(norm.before.nbytes + norm.after.nbytes for norm in trace.norms)
    return norms + sum(2 * block.keys.nbytes + block.queries.nbytes for block in trace.blocks)


def traced_strip(run: Run, traced: Traced, looks_at: Sequence[float] = ()) -> str:
    """The strip of a whole run with the opened token marked and the tokens outside the window faint.

    looks_at are the shares of the opened token's attention, from the first token read on; they colour the strip.
    """
    weights = dict(enumerate(looks_at, traced.window.first_read))
    tokens = [
        _strip_token(token_id, index + 1, _kind(run, traced.window, index), weights.get(index))
        for index, token_id in enumerate(run.ids)
    ]
    return strip_html(tokens, traced.window.start + traced.token)


def traced_text(run: Run, traced: Traced) -> str:
    """HTML that says which token is open, in whose text, and which stretch of a long one."""
    numbers, n_tokens = traced.numbers, len(run.ids)
    said = f"Token {numbers[traced.token]} of {n_tokens}, read by {run.model_name}."
    if len(numbers) < n_tokens:
        said += (
            f" The text is long: tokens {numbers[0]} – {numbers[-1]} are opened, computed from token "
            f"{traced.numbers_read[0]} on. Choose a faint one to move there."
        )
    return f'<p class="status">{escape(said)}</p>'


def _strip_token(token_id: int, number: int, kind: str, weight: float | None) -> StripToken:
    if weight is None:
        return strip_token(token_id, f"token {number}", kind=kind)
    # The square root makes small shares visible.
    return strip_token(token_id, f"token {number} gets {percent(weight)}", sqrt(weight), kind)


def _kind(run: Run, window: Window, index: int) -> str:
    kind = "prompt" if index < len(run.prompt_ids) else "new"
    return kind if window.start <= index < window.stop else f"{kind} outside"

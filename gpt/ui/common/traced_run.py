"""The stretch of a run around its selected token, traced, and the latest traces of all visitors.

A trace depends on the model and the tokens only: another view or token does not run the model again, and visitors
who look at the same text share it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ...chapter.without_norms import without_norms
from ...library import Library
from ...model import GPTModel
from ...runs import Run
from ...tracing import WINDOW, Trace, Window, trace_window, window_around
from .recent_results import RecentResults
from .selected_position import valid_position

_MOST_BYTES = 500_000_000


@dataclass(frozen=True, eq=False)
class Traced:
    """The traced stretch of a run around its selected token; `token` is that token's place in the stretch."""

    run: Run
    model: GPTModel
    trace: Trace
    window: Window
    token: int

    @property
    def numbers(self) -> range:
        """The window's tokens, counted from 1 in the whole text, as all tabs do."""
        return range(self.window.start + 1, self.window.stop + 1)

    @property
    def labels(self) -> list[str]:
        """The window's tokens as they are on the strip."""
        return [self.run.reader.visible(token_id) for token_id in self.trace.ids]

    @property
    def numbers_read(self) -> range:
        """The same for all tokens that the model read to compute them."""
        return range(self.window.first_read + 1, self.window.stop + 1)

    @property
    def labels_read(self) -> list[str]:
        """All tokens that were read, the window's last, as they are on the strip."""
        return [self.run.reader.visible(token_id) for token_id in self._ids_read]

    @property
    def columns(self) -> list[str]:
        """A column for each of the window's tokens: its number, how the page writes it, its id."""
        return _columns(self.numbers, self.labels, self.trace.ids)

    @property
    def columns_read(self) -> list[str]:
        """The same for all tokens that were read."""
        return _columns(self.numbers_read, self.labels_read, self._ids_read)

    @property
    def _ids_read(self) -> Sequence[int]:
        return self.run.ids[self.window.first_read : self.window.stop]


def traced_run(library: Library, run: Run, index: int | None) -> Traced:
    """The window of the run that holds token `index` of run.ids, traced by the run's model.

    Without an index, or with one that the run does not have, it is the first new token.
    """
    index = valid_position(run, index)
    model = library.get(run.model_name).model
    window = window_around(index, len(run.ids), model.config.context_length)
    return Traced(run, model, _traced(run, model, window), window, index - window.start)


def traced_prediction(library: Library, run: Run, position: int) -> Traced:
    """What the run's token at `position` was predicted from, traced: the token before it is the selected one.

    Of a text longer than the context, the model reads what it read when it wrote the run, so the logits are the run's.
    Raises ValueError for a token that the model did not predict.
    """
    model = library.get(run.model_name).model
    # The prompt was read at once; after it, the window of what was read ends before each token.
    first_read = max(0, max(position, len(run.prompt_ids)) - model.config.context_length)
    if position <= first_read:
        before = "It lies before the context window" if position else "Nothing comes before the first token"
        raise ValueError(f"{before}, so the model predicted nothing here: select a later token.")
    window = window_around(position - 1, len(run.ids), model.config.context_length)
    if window.first_read != first_read:
        window = Window(first_read, max(first_read, position - WINDOW), position)
    return Traced(run, model, _traced(run, model, window), window, position - 1 - window.start)


def traced_without_norms(traced: Traced) -> Trace:
    """The same stretch through the same network with the identity in place of its LayerNorms."""
    return _traced(traced.run, without_norms(traced.model), traced.window, "without norms")


def _columns(numbers: range, labels: Sequence[str], ids: Sequence[int]) -> list[str]:
    return [f"{number} {label} (id {i})" for number, label, i in zip(numbers, labels, ids, strict=True)]


def _traced(run: Run, model: GPTModel, window: Window, altered: str = "") -> Trace:
    key = (run.model_name, altered, window.start - window.first_read, run.ids[window.first_read : window.stop])
    return _recent.get(key, lambda: trace_window(model, run.ids, window))


def _bytes(trace: Trace) -> int:
    norms = sum(norm.before.nbytes + norm.after.nbytes for norm in trace.norms)
    blocks = sum(
        2 * block.keys.nbytes + block.queries.nbytes + block.heads.nbytes + block.feed_forward.nbytes
        for block in trace.blocks
    )
    return norms + blocks


_recent = RecentResults(_MOST_BYTES, _bytes)

"""Which token of a run is selected: on every tab the same, whichever tab was opened first."""

from ...runs import Run


def valid_position(run: Run, position: int | None) -> int:
    """The position, or that of the first new token when the run has none there."""
    if position is None or not 0 <= position < len(run.ids):
        return min(len(run.prompt_ids), len(run.ids) - 1)
    return position

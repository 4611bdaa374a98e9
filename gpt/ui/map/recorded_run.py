"""The recorded pass over the stretch of a run that a tab looks at, and the latest recordings of all visitors."""

from ...recording.recorder import Recording, record_window
from ..common.recent_results import RecentResults
from ..common.traced_run import Traced

_MOST_BYTES = 300_000_000

_recent: RecentResults[Recording] = RecentResults(_MOST_BYTES, lambda recording: recording.n_bytes)


def recorded_run(traced: Traced, block: int) -> Recording:
    """The traced stretch once more, with every line of one block. Visitors who look at the same text share it."""
    window = traced.window
    read = traced.run.ids[window.first_read : window.stop]
    key = (traced.run.model_name, block, window.start - window.first_read, read)
    return _recent.get(key, lambda: record_window(traced.model, traced.run.ids, window, block))

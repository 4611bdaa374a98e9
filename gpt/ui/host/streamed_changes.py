"""What a stream of answers says of a changed value: the whole value, unless it is a text that has grown.

Gradio sends what differs inside of a value, and its page applies that to the very object it is about to show: of two
answers that come at once, the first would be shown as what the second made of it, and a button that it shows be lost.
"""

from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction


def send_whole_values(page: gr.Blocks) -> None:
    """Let the streams of a page replace values that are not texts as a whole."""
    differences = page.handle_streaming_diffs

    def changes(
        block_fn: BlockFunction,
        data: list[Any],
        session_hash: str | None,
        run: str | None,
        final: bool,
        simple_format: bool = False,
    ) -> list[Any]:
        begun = session_hash is not None and run is not None and run in page.pending_diff_streams[session_hash]
        values = list(data)
        changed = differences(block_fn, data, session_hash, run, final, simple_format)
        if not begun or final or simple_format:
            return changed
        return [_whole(change, value) for change, value in zip(changed, values, strict=True)]

    page.handle_streaming_diffs = changes  # type: ignore[method-assign]


def _whole(change: list[Any], value: Any) -> list[Any]:
    """A list of Gradio's changes, or in its place the one that puts all of the value there."""
    return [["replace", [], value]] if any(path for _, path, _ in change) else change

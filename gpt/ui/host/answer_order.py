"""Of two answers for the same place on a page, the one to the newer event stays, whichever took longer.

All of it happens in the thread of the server's event loop.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ...engine.fair_share import Client


class AnswerOrder:
    """The events under way, numbered as they came, and which of them has last put something where."""

    def __init__(self) -> None:
        self._numbers = count()
        self._under_way: dict[Client, set[int]] = defaultdict(set)
        self._newest: dict[Client, dict[int, int]] = defaultdict(dict)  # by the component's number

    @contextmanager
    def begun(self, client: Client) -> Iterator[int]:
        """The number of an event of this client that has just come; it is over at the end of the block."""
        number = next(self._numbers)
        self._under_way[client].add(number)
        try:
            yield number
        finally:
            self._under_way[client].remove(number)
            if not self._under_way[client]:
                del self._under_way[client]
                self._newest.pop(client, None)

    def still_true(self, client: Client, number: int, answer: Any) -> Any:
        """An answer of values by component without those for which a newer event has been answered."""
        if not isinstance(answer, dict) or not all(isinstance(place, Block) for place in answer):
            return answer  # not of the page: an endpoint's
        newest = self._newest[client]
        kept = {place: value for place, value in answer.items() if newest.get(place._id, -1) <= number}
        newest.update((place._id, number) for place in kept)
        return kept or dict.fromkeys(answer, gr.skip())

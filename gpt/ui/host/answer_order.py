"""Of two drawings of the same place on a page, the one for the newer event stays, whichever took longer.

Gradio prepares each value of an event in a thread of its own, before and after the event's function: an event of many
values is overtaken by one of few that came later. So an event counts from when it is taken, and the answers of one
session are sent one after the other. All of it happens in the thread of the server's event loop.
"""

from asyncio import Lock
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import isasyncgenfunction, isgeneratorfunction
from itertools import count
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.state_holder import SessionState

from ...engine.fair_share import ASKING, Client
from ..common.drawing import MODEL_QUEUE


@dataclass
class _Session:
    """The events of a session that are under way, and which of its events has last put something where."""

    under_way: int = 0
    newest: dict[int, int] = field(default_factory=dict)  # the event's number by the component's
    sending: Lock = field(default_factory=Lock)


@dataclass(frozen=True)
class _Event:
    """One event, numbered as it came; `sent` is left when its answer is on its way."""

    number: int
    session: _Session
    sent: AsyncExitStack


class AnswerOrder:
    """The drawings under way, by who asks for them."""

    def __init__(self) -> None:
        self._numbers = count()
        self._sessions: dict[Client, _Session] = defaultdict(_Session)

    @asynccontextmanager
    async def begun(self, client: Client) -> AsyncIterator[_Event]:
        """An event of this client that has just come; its answer is on its way at the end of the block."""
        session = self._sessions[client]
        session.under_way += 1
        try:
            async with AsyncExitStack() as sent:
                yield _Event(next(self._numbers), session, sent)
        finally:
            session.under_way -= 1
            if not session.under_way:
                del self._sessions[client]

    async def still_true(self, event: _Event, answer: Any) -> Any:
        """An answer of values by component without those for which a newer event has been answered.

        It comes when no other answer is being sent, and none is until this one is on its way.
        """
        await event.sent.enter_async_context(event.session.sending)
        if not isinstance(answer, dict) or not all(isinstance(place, Block) for place in answer):
            return answer
        newest = event.session.newest
        kept = {place: value for place, value in answer.items() if newest.get(place._id, -1) <= event.number}
        newest.update((place._id, event.number) for place in kept)
        return kept or dict.fromkeys(answer, gr.skip())


def keep_answers_in_order(page: gr.Blocks) -> None:
    """Let no drawing of a page undo a newer one."""
    order, taken = AnswerOrder(), ContextVar[_Event | None]("taken", default=None)
    process: Callable[..., Awaitable[dict[str, Any]]] = page.process_api
    postprocess = page.postprocess_data

    async def process_api(block_fn: BlockFunction, *values: Any, **others: Any) -> dict[str, Any]:
        client = ASKING.get()
        if not client.session or not _is_drawing(block_fn):
            return await process(block_fn, *values, **others)
        async with order.begun(client) as event:
            before = taken.set(event)
            try:
                return await process(block_fn, *values, **others)
            finally:
                taken.reset(before)

    async def postprocess_data(block_fn: BlockFunction, predictions: Any, state: SessionState | None) -> list[Any]:
        event = taken.get()
        kept = predictions if event is None else await order.still_true(event, predictions)
        return await postprocess(block_fn, kept, state)

    page.process_api = process_api  # type: ignore[assignment, method-assign]
    page.postprocess_data = postprocess_data  # type: ignore[method-assign]


def _is_drawing(event: BlockFunction) -> bool:
    """Whether it shows something at once: the newest values, or what a model says of them."""
    if isgeneratorfunction(event.fn) or isasyncgenfunction(event.fn):
        return False
    return event.trigger_mode == "always_last" or event.concurrency_id == MODEL_QUEUE["concurrency_id"]

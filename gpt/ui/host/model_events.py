"""Events that use a model: each waits for its model to load and for its place in line, and holds no thread meanwhile.

Then its steps run in threads of their own, so that everything else on the page never waits for the model.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager, nullcontext, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import wraps
from inspect import isgeneratorfunction, signature
from threading import Event
from time import monotonic
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from ...engine.fair_share import ASKING, Client
from ...library import Library
from ...model_loads import NobodyWaits
from ...runs import check_prompt
from ..common.drawing import MODEL_QUEUE
from ..common.time_limit import time_is_over
from ..common.waiting_events import waits_of
from .waiting_line import Line, Ticket

_LOOK_SECONDS = 0.25  # between two looks at a load, at the line, and at whether the visitor is still there
_SAID_AFTER_SECONDS = 1.5  # how long a visitor waits before a page without a place for it says so
_THREADS = 32
_END = object()


@dataclass(frozen=True)
class ModelEvents:
    """The events of a page that use a model, in line; one may take max_seconds, None for any time."""

    page: gr.Blocks
    library: Library
    line: Line
    max_seconds: float | None

    def put_in_line(self) -> None:
        """Let every such event wait for its turn."""
        threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="model")
        for event in self.page.fns.values():
            if event.concurrency_id == MODEL_QUEUE["concurrency_id"] and event.fn is not None:
                in_line = self._streaming if isgeneratorfunction(event.fn) else self._answering
                event.fn = in_line(event.fn, threads)

    def _streaming(self, fn: Callable[..., Iterator[Any]], threads: ThreadPoolExecutor) -> Callable[..., Any]:
        waits = waits_of(fn)

        @wraps(fn)
        async def streaming(*values: Any) -> AsyncIterator[Any]:
            client = ASKING.get()
            stoppable = nullcontext(Event()) if waits is None else waits.ongoing.waiting(client.session)
            with self.line.joined(client) as ticket, stoppable as stopped:
                async for said in self._waiting(ticket, _named_model(fn, values)):
                    if waits is None:
                        continue
                    if stopped.is_set():
                        break
                    yield waits.say(said)
                if waits is not None and stopped.is_set():
                    yield waits.stopped()
                    return
                async for news in self._steps(fn(*values), client, threads):
                    yield news

        return streaming

    def _answering(self, fn: Callable[..., Any], threads: ThreadPoolExecutor) -> Callable[..., Any]:
        @wraps(fn)
        async def answering(*values: Any) -> Any:
            client = ASKING.get()
            with self.line.joined(client) as ticket:
                async for _ in self._waiting(ticket, _named_model(fn, values)):
                    pass
                with self._counted(client):
                    return await asyncio.wrap_future(threads.submit(copy_context().run, fn, *values))

        return answering

    async def _waiting(self, ticket: Ticket, reference: str | None) -> AsyncIterator[str]:
        """What to say until the event may begin, several times a second. Raises when its visitor has left."""
        here = self._visitor()
        if reference is not None:
            async for said in self._loading(reference):
                here.check()
                yield said
        self.line.is_ready(ticket)
        while not ticket.begun.is_set():
            here.check()
            place = self.line.place(ticket)
            said = f"Many people are writing now. Your place in line: {place}."
            here.tell(said)
            yield said
            with suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(ticket.begun.wait(), _LOOK_SECONDS)

    async def _loading(self, reference: str) -> AsyncIterator[str]:
        """What to say until the model is in memory. Raises what the load raised."""
        while not await asyncio.to_thread(self.library.is_loaded, reference):
            async with AsyncExitStack() as stack:
                load = await asyncio.to_thread(stack.enter_context, self.library.loading(reference))
                while not load.done.is_set():
                    yield load.said
                    await asyncio.sleep(_LOOK_SECONDS)
                try:
                    load.answer()
                except NobodyWaits:
                    continue  # the load was ended, because all who had waited for it had left
                return

    async def _steps(self, steps: Iterator[Any], client: Client, threads: ThreadPoolExecutor) -> AsyncIterator[Any]:
        most, started = self.max_seconds, monotonic()
        step: Future[Any] | None = None
        try:
            while True:
                if most is not None and monotonic() - started > most + 2 * _SAID_AFTER_SECONDS:
                    raise ValueError(time_is_over(most))
                with self._counted(client):
                    step = threads.submit(copy_context().run, _next, steps)
                    news = await asyncio.wrap_future(step)
                if news is _END:
                    return
                yield news
        finally:
            _close(steps, step)

    @contextmanager
    def _counted(self, client: Client) -> Iterator[None]:
        started = monotonic()
        try:
            yield
        finally:
            self.line.spent(client, monotonic() - started)

    def _visitor(self) -> "_Visitor":
        return _Visitor(self.page, LocalContext.event_id.get(), monotonic())


@dataclass
class _Visitor:
    """Who waits for an event."""

    page: gr.Blocks
    event_id: str | None
    since: float
    is_told: bool = False

    def check(self) -> None:
        """Raise CancelledError when nobody waits any more."""
        event = self.page._queue.event_ids_to_events.get(self.event_id or "")
        if event is not None and not event.alive:
            raise asyncio.CancelledError

    def tell(self, said: str) -> None:
        """Say it once, in a corner of the page, to a visitor who has waited for a while."""
        if not self.is_told and self.event_id and monotonic() - self.since > _SAID_AFTER_SECONDS:
            self.page._queue.log_message(self.event_id, said, "In line", "info")
            self.is_told = True


def _named_model(fn: Callable[..., Any], values: tuple[Any, ...]) -> str | None:
    """The reference of the model that an event has to wait for, None for none.

    For a prompt that no model could continue none is loaded: the event itself will refuse it.
    """
    given = signature(fn).bind(*values)
    given.apply_defaults()
    if "prompt" in given.arguments:
        try:
            check_prompt(given.arguments["prompt"], bool(given.arguments.get("begin_with_end_of_text")))
        except ValueError:
            return None
    named = given.arguments.get("model", given.arguments.get("reference"))
    return named if isinstance(named, str) else None


def _next(steps: Iterator[Any]) -> Any:
    return next(steps, _END)


def _close(steps: Iterator[Any], step: Future[Any] | None) -> None:
    """End a generator, after the step that may be running in a thread."""

    def close(_: object) -> None:
        steps.close()  # type: ignore[attr-defined]

    if step is None or step.done():
        close(step)
    else:
        step.add_done_callback(close)

"""What a server does every few seconds: it deletes what nobody reads or uses, and once a minute it logs its state."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic

import gradio as gr

from ...estimates.machine import give_back_memory, resident_bytes
from .mailboxes import busy_sessions, drop_unread
from .server_counts import Counts
from .sessions import Sessions
from .waiting_line import Line

_LOG = logging.getLogger("explorer")
_PACE_SECONDS = 2.0
_LOG_SECONDS = 60.0


@dataclass(frozen=True)
class Housekeeping:
    """Everything that one server keeps of its visitors. Only a public one has a log."""

    page: gr.Blocks
    sessions: Sessions
    line: Line
    counts: Counts
    logs: bool

    @asynccontextmanager
    async def kept(self, _: object = None) -> AsyncIterator[None]:
        """While the server runs."""
        task = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep(self) -> None:
        said_at = monotonic()
        while True:
            await asyncio.sleep(_PACE_SECONDS)
            try:
                self.counts.unread += await drop_unread(self.page)
                self.sessions.end_idle(busy_sessions(self.page))
            except Exception:
                _LOG.exception("Housekeeping failed.")
            if monotonic() - said_at >= _LOG_SECONDS:
                said_at = monotonic()
                if self.logs:
                    print(self.line_of_log(), flush=True)
                self.counts.refused = self.counts.unread = 0
                await asyncio.to_thread(give_back_memory)

    def line_of_log(self) -> str:
        """The state of the server, in one line."""
        memory = resident_bytes()
        taken = "" if memory is None else f"{memory / 1e6:,.0f} MB of memory, "
        return (
            f"{self.sessions.n_connected} visitors, {self.line.n_waiting} waiting, {taken}"
            f"{self.counts.refused} refused, {self.counts.unread} unread"
        )

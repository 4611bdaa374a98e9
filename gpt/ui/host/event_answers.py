"""Every event is answered: with its result, or with one sentence that Gradio shows as an error.

Stands around `Blocks.process_api`, through which each event of the page and each call of a program goes.
"""

import logging
from collections.abc import Awaitable, Callable
from html import escape
from ipaddress import ip_address, ip_network
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.state_holder import SessionState

from ...engine.fair_share import ASKING, Client
from ...files.layouts import WeightsError
from .event_values import check_choice, checked_values
from .server_counts import Counts
from .sessions import Sessions

_LOG = logging.getLogger("explorer")
_LONGEST_WORD = 80  # characters
_OUR_FAULT = "Something went wrong on this server; the details are in its log. Try again, or with other values."
_WAS_ENDED = "You were away for long, so this server has deleted your text: press Generate to write it again."

ProcessApi = Callable[..., Awaitable[dict[str, Any]]]


def answer_every_event(page: gr.Blocks, sessions: Sessions, counts: Counts) -> None:
    """Say on whose behalf each event of a page runs, check what comes with it, and turn what it raises into a sentence.

    Whose session had ended is told so.
    """
    process: ProcessApi = page.process_api

    async def process_api(
        block_fn: BlockFunction, inputs: list[Any], state: SessionState | None = None, **others: Any
    ) -> dict[str, Any]:
        session, event_id = others.get("session_hash"), others.get("event_id")
        ASKING.set(_client(others.get("request"), "" if session == event_id else session or ""))
        if session is not None and session == event_id:
            sessions.is_a_call(session)
        try:
            if others.get("iterator") is None:
                if session is not None and event_id is not None and sessions.was_ended(session):
                    page._queue.log_message(event_id, _WAS_ENDED, "Welcome back", "warning")
                inputs = checked_values(block_fn, inputs, _component_of(state))
                if block_fn.collects_event_data:
                    check_choice(others["event_data"]._data)
            return await process(block_fn=block_fn, inputs=inputs, state=state, **others)
        except Exception as error:
            counts.refused += 1
            raise refusal(error, block_fn) from error

    page.process_api = process_api  # type: ignore[assignment, method-assign]


def refusal(error: Exception, event: BlockFunction) -> gr.Error:
    """What Gradio tells the page or the program about an error; one that nobody foresaw goes to the log as well."""
    if isinstance(error, gr.Error):
        sentence = error.message
    elif isinstance(error, ValueError | WeightsError):
        sentence = str(error)
    else:
        _LOG.error("The event %s failed.", event.api_name, exc_info=error)
        sentence = _OUR_FAULT
    sentence = readable(sentence)
    if event.api_visibility != "public":
        sentence = escape(sentence, quote=False)  # the page shows it as HTML
    return gr.Error(sentence, print_exception=False)


def readable(sentence: str) -> str:
    """A sentence on one line, with a full stop, its longest words shortened."""
    words = (word if len(word) <= _LONGEST_WORD else f"{word[:_LONGEST_WORD]}…" for word in sentence.split())
    return f"{' '.join(words).rstrip('.')}."


def _client(request: Any, session: str) -> Client:
    """Who asks: the network that an address belongs to, as one person has many addresses of IPv6."""
    address = getattr(getattr(request, "client", None), "host", "") or ""
    try:
        known = ip_address(address)
    except ValueError:  # as a test or a socket file has them
        return Client(address, session)
    return Client(str(ip_network((known, 64), strict=False)) if known.version == 6 else address, session)


def _component_of(state: SessionState | None) -> Callable[[Block], Block]:
    def current(block: Block) -> Block:
        changed = block if state is None or block._id not in state else state[block._id]
        return changed if isinstance(changed, Block) else block

    return current

"""What a request calls: an event that exists, under a session that a page could have, with fields of the right kind.

Gradio would answer the rest with an unexplained 500.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from starlette.datastructures import QueryParams

from .event_values import shown
from .open_routes import ASSISTANTS, SESSION
from .refusal import Refused

_SESSION = re.compile(SESSION)
_KINDS: dict[type, str] = {str: "text", int: "a whole number", list: "a list"}
# What each path needs in its body, and what it may have besides.
_NEEDED: dict[str, dict[str, type]] = {
    "/gradio_api/queue/join": {"data": list, "fn_index": int, "session_hash": str},
    "/gradio_api/cancel": {"session_hash": str, "fn_index": int, "event_id": str},
    "/gradio_api/call/": {"data": list},
    ASSISTANTS: {"jsonrpc": str, "method": str},
}
_ALLOWED: dict[str, type] = {"session_hash": str, "event_id": str, "trigger_id": int, "fn_index": int}
_BY_NAME = "/gradio_api/call/v2/"


@dataclass(frozen=True)
class Calls:
    """The events of a page, as requests may call them."""

    page: gr.Blocks

    def check(self, path: str, groups: Mapping[str, str], query: bytes, body: dict[str, Any] | None) -> None:
        """Raise Refused, 400 or 404, for a request that names no event or no session, or lacks what the path needs."""
        if not query.isascii():
            raise Refused(400, "The part of the address after ? must be written in ASCII, other characters as %C3%A9.")
        sessions = QueryParams(query).getlist("session_hash")
        for session in sessions:
            _check_session(session)
        if "name" in groups:
            self._check_name(groups["name"])
        if body is None:
            self._check_waiting(path, groups.get("event"), sessions)
        elif path.startswith(_BY_NAME):
            self.called(groups["name"], body)
        else:
            _check_fields(path, body)
            if path.endswith("/join") and body["fn_index"] not in self.page.fns:
                raise Refused(404, f"The page has no event {shown(body['fn_index'])}: reload it, and try again.")

    def _names(self) -> dict[str, gr.blocks.BlockFunction]:
        public = (event for event in self.page.fns.values() if event.api_visibility == "public")
        return {str(event.api_name): event for event in public}

    def _check_name(self, name: str) -> None:
        names = self._names()
        if name not in names:
            listed = ", ".join(f"/{each}" for each in names)
            raise Refused(404, f"There is no endpoint called /{name}: choose one of {listed}.")

    def called(self, name: str, arguments: Mapping[str, Any]) -> gr.blocks.BlockFunction:
        """The event of an endpoint that exists. Raises Refused, 400, for arguments that it does not take or lacks."""
        event = self._names()[name]
        assert event.fn is not None
        parameters = dict(list(inspect.signature(event.fn).parameters.items())[: len(event.inputs)])
        for given in arguments:
            if given not in parameters:
                listed = ", ".join(parameters) or "none"
                raise Refused(400, f"/{name} has no parameter called {shown(given)}: its parameters are {listed}.")
        for parameter in parameters.values():
            if parameter.default is parameter.empty and parameter.name not in arguments:
                raise Refused(400, f"/{name} needs the parameter {parameter.name}: send it in the JSON object.")
        return event

    def _check_waiting(self, path: str, event: str | None, sessions: list[str]) -> None:
        """Raise Refused for a request for answers, of a session or of one event, where there are none to come."""
        queue = self.page._queue
        if event is not None and event not in queue.event_ids_to_events:
            waiting = queue.pending_event_ids_session.values()
            if event not in queue.pending_messages_per_session and not any(event in ids for ids in waiting):
                raise Refused(404, "There is no such event: it was never made, or its answer was read or dropped.")
        if path.endswith("/queue/data"):
            if len(sessions) != 1:
                raise Refused(400, "The request needs one session_hash.")
            if sessions[0] not in queue.pending_messages_per_session:
                raise Refused(404, "Nothing is under way for this session.")


def _check_fields(path: str, body: dict[str, Any]) -> None:
    needed = next(fields for start, fields in _NEEDED.items() if path.startswith(start))
    for name, kind in (_ALLOWED | needed).items():
        value = body.get(name)
        if value is None and name not in needed:
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            raise Refused(400, f"The field {name} is {shown(value)}: it has to be {_KINDS[kind]}.")
    if body.get("session_hash") is not None:
        _check_session(body["session_hash"])


def _check_session(session: str) -> None:
    if not _SESSION.fullmatch(session):
        raise Refused(
            400, "The session_hash must be text of 1 to 64 letters, digits, hyphens and underscores, or be left out."
        )

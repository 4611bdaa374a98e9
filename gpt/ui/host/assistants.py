"""Assistants call the endpoints as tools of the Model Context Protocol, over its streamable HTTP, where --mcp is on.

Gradio describes the tools. It would call them over HTTP from this machine, so that all assistants were one visitor and
a call went on after its assistant had left; here a call runs in the request that asked for it.
"""

import json
import re
from collections.abc import Mapping
from inspect import signature
from typing import Any, cast
from uuid import uuid4

import gradio as gr
from gradio.state_holder import SessionState
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .called_events import Calls
from .open_routes import ASSISTANTS, SESSION
from .refusal import Refused, send_refusal
from .request_bodies import replaying

_SESSION_HEADER = "mcp-session-id"
# Gradio also offers resources and prompts. This app has none, and Gradio would look for them at the Host of a request.
_ANSWERED = ("PingRequest", "ListToolsRequest", "CallToolRequest")


class AssistantSessions:
    """ASGI middleware: gives each assistant that introduces itself a session, which it names in every later request.

    Nothing is kept of a session: it says on whose behalf a call runs, as a page's does.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").rstrip("/")
        session = Headers(scope=scope).get(_SESSION_HEADER, "") if path == ASSISTANTS else ""
        if not path.startswith(ASSISTANTS):
            await self._app(scope, receive, send)
        elif path != ASSISTANTS:
            await self._app(self._below_prefix(scope, path), receive, send)
        elif scope["method"] != "POST":
            said = "This address is for assistants, which POST messages of the Model Context Protocol to it."
            await send_refusal(Refused(405, said), send)
        elif session and not re.fullmatch(SESSION, session):
            await send_refusal(Refused(404, "There is no such session: initialize a new one."), send)
        else:
            body = (await receive())["body"]
            begins = json.loads(body)["method"] == "initialize"
            scope = self._below_prefix(scope, f"{path}/")
            await self._app(scope, replaying(body, receive), _with_new_session(send) if begins else send)

    def _below_prefix(self, scope: Scope, path: str) -> Scope:
        """The scope with the prefix that the guard took off, as Gradio's inner routes look for it."""
        return {**scope, "path": self._root_path + path}


def _with_new_session(send: Send) -> Send:
    async def send_with_session(message: Message) -> None:
        if message["type"] == "http.response.start":
            session = (_SESSION_HEADER.encode(), uuid4().hex.encode())
            message = {**message, "headers": [*message["headers"], session]}
        await send(message)

    return send_with_session


def serve_assistants(page: gr.Blocks, calls: Calls) -> None:
    """Let the tools that Gradio has made of the public endpoints run on behalf of the assistant that calls them.

    Raises ValueError where Gradio could not make them.
    """
    tools: Any = page.mcp_server_obj  # without types, as the package need not be here
    if tools is None:
        raise ValueError(f"--mcp is not possible here. {page.mcp_error}")
    server, state = tools.mcp_server, SessionState(page)

    # Our own checks say what is wrong in the words of the HTTP endpoints.
    @server.call_tool(validate_input=False)  # type: ignore[untyped-decorator]
    async def call_tool(name: str, arguments: dict[str, Any]) -> list[Any]:
        if name not in tools.tool_to_endpoint:
            listed = ", ".join(tools.tool_to_endpoint)
            raise ValueError(f"There is no tool called {name[:80]!r}: choose one of {listed}.")
        endpoint = tools.tool_to_endpoint[name].removeprefix("/")
        answer = await answer_of(page, calls, endpoint, arguments, server.request_context.request, state)
        return [tools.types.TextContent(type="text", text=json.dumps(answer, ensure_ascii=False))]

    for request in list(server.request_handlers):
        if request.__name__ not in _ANSWERED:
            del server.request_handlers[request]


async def answer_of(
    page: gr.Blocks,
    calls: Calls,
    endpoint: str,
    arguments: Mapping[str, Any],
    request: Request,
    state: SessionState,
) -> Any:
    """What an endpoint answers, as JSON-ready data; of one that streams, the last message.

    The endpoints keep nothing in the state. Gradio would make a new one for each message of a stream, which takes
    longer than a token.

    Raises ValueError or Refused with the sentence that HTTP gives.
    """
    event = calls.called(endpoint, arguments)
    assert event.fn is not None
    given = signature(event.fn).bind(**arguments)
    given.apply_defaults()
    session = request.headers.get(_SESSION_HEADER, "")
    answer, iterator = None, None
    try:
        while True:
            output = await page.process_api(
                event,
                list(given.args),
                request=cast(Any, request),
                state=state,
                iterator=iterator,
                session_hash=session,
            )
            if iterator is not None and not output["is_generating"]:
                return answer
            answer, iterator = output["data"][0], output["iterator"]
            if iterator is None:
                return answer
    except gr.Error as error:
        raise ValueError(error.message) from error
    finally:
        if iterator is not None:
            await iterator.aclose()

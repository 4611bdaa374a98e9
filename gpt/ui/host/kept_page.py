"""The page as it travels is made once for each name it is asked for under.

Gradio copies the page's description, some hundred thousand values, several times for each visitor who opens it.
"""

from collections.abc import Hashable
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAMES = 8  # kept at once: a visitor may ask under any name that the host allows


class KeptPage:
    """ASGI middleware behind the guard, which leaves nothing of a request that the page depends on but its name.

    Around the middleware that packs, so that the page is packed once, too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[Hashable, list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("GET", "/"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        name = scope["scheme"], headers.get("host"), "gzip" in headers.get("accept-encoding", "")
        answer = self._kept.get(name)
        if answer is None:
            answer = await self._answer(scope, receive)
            if answer[0]["status"] == HTTPStatus.OK:
                self._keep(name, answer)
        for message in answer:
            await send(message)

    async def _answer(self, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def take(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, take)
        return messages

    def _keep(self, name: Hashable, messages: list[Message]) -> None:
        self._kept[name] = messages
        if len(self._kept) > _NAMES:
            del self._kept[next(iter(self._kept))]

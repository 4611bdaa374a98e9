"""What a public host wants closed: uploads, proxies, deep links; and pages that ask nobody else for anything.

Gradio leaves these open by default; the app uses none of them.
"""

from typing import Any

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLOSED = (
    "/gradio_api/upload",
    "/gradio_api/file=http",
    "/gradio_api/proxy=",
    "/gradio_api/deep_link",
)
# Gradio's own page needs inline code, and plotly makes functions from text.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; worker-src 'self' blob:"
)


class Guard:
    """ASGI middleware: 404 for what is closed, a content security policy on everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(_CLOSED):
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", _POLICY.encode())]
            await send(message)

        await self._app(scope, receive, send_with_policy)


def guarded() -> dict[str, Any]:
    """The `app_kwargs` of Blocks.launch that put the guard in front."""
    return {"middleware": [Middleware(Guard)]}

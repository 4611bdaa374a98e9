"""Headers of every answer: the page asks nobody but this server, and only those who may can frame it."""

from starlette.types import Message, Send

# Gradio's own page needs inline code, and plotly makes functions from text.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors "
)


def with_headers(send: Send, frame_ancestors: str) -> Send:
    """A send that adds them. frame_ancestors are the sources, as a content security policy writes them."""
    added = [
        (b"content-security-policy", (_POLICY + frame_ancestors).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
    names = {name for name, _ in added}

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.lower() not in names]
            message = {**message, "headers": [*kept, *added]}
        await send(message)

    return send_with_headers

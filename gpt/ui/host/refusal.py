"""A request that is refused: a status and one sentence, sent as JSON like FastAPI's own refusals."""

import json

from starlette.types import Send


class Refused(Exception):
    """Why a request is refused; `status` is the HTTP status of the answer."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


async def send_refusal(refused: Refused, send: Send) -> None:
    """Answer with the status and {"detail": sentence}."""
    body = json.dumps({"detail": refused.sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

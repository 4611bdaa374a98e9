"""The app served from this process, for tests that look inside it while it answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import gradio as gr
from gradio.routes import App
from starlette.types import ASGIApp, Receive, Scope, Send

from gpt.library import Library
from gpt.ui.host.host_options import Options, read_options
from gpt.ui.host.listening_address import listen
from gpt.ui.host.server import Server, application
from gpt.ui.page import build_page
from tests.serving import free_port


@dataclass(frozen=True)
class Served:
    """A running app: its address, its page and Gradio's application, and each request with its status."""

    address: str
    page: gr.Blocks = field(repr=False)
    gradio_app: App = field(repr=False)
    answers: list[tuple[str, str, int]] = field(default_factory=list, repr=False)


@contextmanager
def serving(*arguments: str, library: Library | None = None) -> Iterator[Served]:
    """The app with these options, until the block ends."""
    options = read_options(list(arguments), {})
    library = library or Library(options.model, local_files=not options.public, hub_models=options.hub_models)
    with served_page(build_page(library, options), library, options) as served:
        yield served


@contextmanager
def served_page(page: gr.Blocks, library: Library, options: Options) -> Iterator[Served]:
    """A page served until the block ends."""
    app, gradio_app = application(page, library, options)
    started = Event()
    with listen("127.0.0.1", free_port()) as listening:
        served = Served(f"http://127.0.0.1:{listening.getsockname()[1]}", page, gradio_app)
        server = Server(_noting(app, served.answers), started.set, lambda: None)
        thread = Thread(target=server.run, args=[[listening]], daemon=True)
        thread.start()
        assert started.wait(60)
        yield served
        gradio_app.stop_event.set()
        server.should_exit = True
        thread.join(20)


def _noting(app: ASGIApp, answers: list[tuple[str, str, int]]) -> ASGIApp:
    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_note(message: Any) -> None:
            if message["type"] == "http.response.start":
                answers.append((scope["method"], scope["path"], message["status"]))
            await send(message)

        await app(scope, receive, send_and_note)

    return noting

"""The page as a web server: Gradio's application behind the guard, started and ended by uvicorn."""

import os
import socket
import sys
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from threading import Timer
from types import FrameType
from typing import Any, cast

import gradio as gr
import uvicorn
from gradio.routes import App
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from ...library import Library
from ...training.trainer import close_all
from ..page import ICON, STYLESHEET, THEME
from ..quick_start import HEAD
from .answer_order import keep_answers_in_order
from .assistants import AssistantSessions, serve_assistants
from .called_events import Calls
from .event_answers import answer_every_event
from .guard import Guard
from .host_names import names_of
from .host_options import Options
from .housekeeping import Housekeeping
from .incoming_requests import IncomingRequests
from .kept_page import KeptPage
from .listening_address import NAME, address_of
from .mailboxes import Mailboxes
from .model_events import ModelEvents
from .open_routes import OPEN, OPEN_TO_ASSISTANTS
from .server_counts import Counts
from .sessions import Sessions
from .stream_ends import StreamEnds
from .streamed_changes import send_whole_values
from .waiting_line import Line

# After SIGTERM: how long requests may take to finish, and when the process ends at the latest.
_FINISH_SECONDS = 2
_END_SECONDS = 4.0
# Events that may be under way at once: one that waits for the model holds nothing but a place in a list.
_MOST_EVENTS = 1_000
# Between two looks whether an event has come. Gradio's own millisecond takes a tenth of a processor while nobody asks.
_LOOK_SECONDS = 0.01
# For all that does not use a model; a page that waits for the load of one looks from a thread how far it is.
_THREADS = 128
# Gradio packs its scripts, but not the page, which is a megabyte. More than this level is twice the work for 5 % less.
_MADE_ONCE_AND_PACKED = (Middleware(KeptPage), Middleware(GZipMiddleware, compresslevel=5))


def application(page: gr.Blocks, library: Library, options: Options) -> tuple[ASGIApp, App]:
    """What answers requests, behind the guard, and Gradio's application inside it."""
    sessions, line, counts = Sessions(60 * options.session_minutes), Line(), Counts()
    page.queue(max_size=None, api_open=False, default_concurrency_limit=None)
    page._queue.max_thread_count = _MOST_EVENTS
    page._queue.sleep_when_free = _LOOK_SECONDS
    page.max_threads = _THREADS
    page.create_limiter()
    # After each event Gradio makes a table of the last 10,000 anew, which nobody reads.
    page._queue.ANALYTICS_MAX_EVENTS, page._queue.ANAYLTICS_CACHE_FREQUENCY = 1, sys.maxsize
    page._queue.pending_messages_per_session = cast(Any, Mailboxes())
    ModelEvents(page, library, line, options.max_seconds).put_in_line()
    keep_answers_in_order(page)
    answer_every_event(page, sessions, counts)
    send_whole_values(page)
    keeping = Housekeeping(page, sessions, line, counts, options.public)
    whole = Starlette(routes=[Route("/health", health)], middleware=_MADE_ONCE_AND_PACKED, lifespan=keeping.kept)
    gr.mount_gradio_app(
        cast(Any, whole),  # it asks for a FastAPI, and uses what that has of Starlette
        page,
        "/",
        theme=THEME,
        css_paths=STYLESHEET,
        head=HEAD,
        footer_links=["api"],
        root_path=options.root_path,
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        ssr_mode=False,
        pwa=True,
        favicon_path=str(ICON),
        mcp_server=options.mcp,
    )
    names = names_of(options.host, options.allowed_hosts)
    requests = IncomingRequests(options.root_path, options.trust_proxy, options.space_host, options.start_link)
    mounted = whole.routes[-1]
    assert isinstance(mounted, Mount)
    assert isinstance(mounted.app, App)
    mounted.app.state_holder = sessions
    sessions.set_blocks(page)
    calls, inner, routes = Calls(page), cast(ASGIApp, StreamEnds(whole)), OPEN
    if options.mcp:
        serve_assistants(page, calls)
        inner, routes = AssistantSessions(inner, options.root_path), (*OPEN, *OPEN_TO_ASSISTANTS)
    return Guard(inner, names, requests, calls, sessions, counts, options.frame_ancestors, routes), mounted.app


async def health(_: Request) -> JSONResponse:
    """That the server answers, whatever the model does."""
    return JSONResponse({"name": NAME, "status": "ok"})


class Server(uvicorn.Server):
    """Says when requests are answered and when it was asked to end, and ends soon after, whatever is going on."""

    def __init__(self, app: ASGIApp, started: Callable[[], None], ending: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the guard decides whom to believe
            ws="none",
            timeout_graceful_shutdown=_FINISH_SECONDS,
        )
        super().__init__(config)
        self._when_started = started
        self._when_ending = ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The handler of SIGINT and SIGTERM. A step of a large model in a thread must not hold the process."""
        last = Timer(_END_SECONDS, os._exit, [0])
        last.daemon = True
        last.start()
        self._when_ending()
        super().handle_exit(sig, frame)


def run(
    page: gr.Blocks, library: Library, options: Options, listening: socket.socket, started: Callable[[], None]
) -> None:
    """Serve on that socket until the process is asked to end; `started` is called once requests are answered."""
    served, gradio_app = application(page, library, options)
    address = address_of(options.host, listening.getsockname()[1]).rstrip("/") + options.root_path + "/"

    def announce() -> None:
        print(f"* The GPT-2 explorer runs at {address}", flush=True)
        if options.open:
            webbrowser.open(address + options.start_link)
        started()

    def let_streams_end() -> None:
        page.is_running = False
        page._queue.close()
        gradio_app.stop_event.set()
        close_all()

    with suppress(KeyboardInterrupt):
        Server(served, announce, let_streams_end).run([listening])

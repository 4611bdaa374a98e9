"""The GPT-2 explorer: builds the page and serves it. `python app.py --help` lists what can be set.

Every option can also be set in the environment, which is how a Space is configured.
"""

import argparse
import os
import sys
from threading import Thread

from gpt import WeightsError
from gpt.compiled import compiled_library
from gpt.library import Library
from gpt.ui.guard import guarded
from gpt.ui.page import STYLESHEET, THEME, build_page

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line first, then environment, then defaults."""
    parser = argparse.ArgumentParser(description="See how GPT-2 works, in the browser.")
    parser.add_argument(
        "--model",
        default=os.environ.get("EXPLORER_MODEL", ""),
        help="a model's name, or the path of a .safetensors file or folder (EXPLORER_MODEL)",
    )
    parser.add_argument(
        "--host",
        default=os.environ.get("EXPLORER_HOST") or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1",
        help="address to listen on; 0.0.0.0 lets others in (EXPLORER_HOST)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get("EXPLORER_PORT") or os.environ.get("GRADIO_SERVER_PORT"),
        help="port to listen on, else the first free one from 7860 (EXPLORER_PORT)",
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Serve until interrupted."""
    options = parse()
    try:
        serve(options)
    except (ValueError, WeightsError, OSError) as error:
        sys.exit(f"The GPT-2 explorer could not start. {error}")


def serve(options: argparse.Namespace) -> None:
    """Build the page and answer until interrupted. Raises what keeps it from starting."""
    library = Library(options.model, local_files=options.host in _LOOPBACK)
    page = build_page(library)
    page.queue(max_size=64)
    page.launch(
        server_name=options.host,
        server_port=options.port,
        theme=THEME,
        css_paths=STYLESHEET,
        footer_links=["api"],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        app_kwargs=guarded(),
        prevent_thread_lock=True,
    )
    Thread(target=_prepare, args=[library], daemon=True).start()
    page.block_thread()


def _prepare(library: Library) -> None:
    """What the first visitor would else wait for: the compiler, and the default model."""
    compiled_library()
    library.get()


if __name__ == "__main__":
    main()

"""The GPT-2 explorer: builds the page and serves it. `python app.py --help` lists what can be set.

Every option can also be set in the environment, which is how a Space is configured.
"""

import sys
from importlib.util import find_spec
from threading import Thread

from gpt import WeightsError
from gpt.engine.compiled import start_building
from gpt.library import Library
from gpt.ui.host.host_options import Options, read_options
from gpt.ui.host.listening_address import listen


def main() -> None:
    """Serve until interrupted."""
    options = read_options()
    try:
        serve(options)
    except (ValueError, WeightsError, OSError) as error:
        sys.exit(f"The GPT-2 explorer could not start. {error}")


def serve(options: Options) -> None:
    """Build the page and answer until interrupted. Raises what keeps it from starting."""
    if options.mcp and find_spec("mcp") is None:
        raise ValueError('--mcp needs a package that is not installed: pip install "gradio[mcp]".')
    listening = listen(options.host, options.port)
    library = Library(options.model, local_files=not options.public, hub_models=options.hub_models)
    start_building()
    # Here, not above: Gradio takes seconds to import, and what cannot start should say so at once.
    from gpt.ui.host.server import run  # noqa: PLC0415
    from gpt.ui.page import build_page  # noqa: PLC0415

    page = build_page(library, options)
    run(page, library, options, listening, Thread(target=_prepare, args=[library], daemon=True).start)


def _prepare(library: Library) -> None:
    """What the first visitor would else wait for: the default model."""
    library.get()


if __name__ == "__main__":
    main()

"""Waiting for a model: what to say meanwhile, with a chance to look up and leave several times a second."""

from collections.abc import Iterator
from queue import Empty, SimpleQueue
from threading import Thread

from ..library import Library

_LOOK_UP_SECONDS = 0.2


def loading(library: Library, reference: str) -> Iterator[str]:
    """What to say while a model loads in another thread, until it is there. Raises what the load raised."""
    said: SimpleQueue[str] = SimpleQueue()
    failed: list[Exception] = []

    def load() -> None:
        try:
            library.get(reference, said.put)
        except Exception as error:
            failed.append(error)

    thread = Thread(target=load, daemon=True)
    thread.start()
    message = "Loading the model …"
    yield message
    while thread.is_alive():
        try:
            message = said.get(timeout=_LOOK_UP_SECONDS)
            while not said.empty():
                message = said.get()
        except Empty:
            pass  # the same again: whoever listens may have had enough
        yield message
    if failed:
        raise failed[0]

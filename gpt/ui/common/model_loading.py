"""What a page says while a model loads, several times a second, so that the caller can stop waiting."""

from collections.abc import Iterator

from ...library import Library
from ...model_loads import NobodyWaits

_POLL_SECONDS = 0.2


def loading(library: Library, reference: str) -> Iterator[str]:
    """What to say while a model loads. A caller that stops iterating waits no longer. Raises what the load raised."""
    while not library.is_loaded(reference):
        with library.loading(reference) as load:
            yield load.said
            while not load.done.wait(_POLL_SECONDS):
                yield load.said  # perhaps the same again, so that the caller can stop waiting
        try:
            load.answer()
        except NobodyWaits:
            continue  # the load was ended, because all who had waited for it had left
        return

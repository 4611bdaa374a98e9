"""Runs what is asynchronous from a test: where a browser is driven, the test's thread already has a loop that runs."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def in_own_loop(steps: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, run in a thread and a loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, steps).result()
